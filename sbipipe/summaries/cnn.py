"""A learned summary of fields: a small residual convolutional network.

What is learned. A network s = s_phi(x) is trained together with a conditional density q of the
parameters given s, by minimising

    L = -E_{p(theta, x)} [ log q(u(theta) | s_phi(x)) ].

For `vmim` q is a mixture of Gaussians, and -L bounds the mutual information I(theta; s) from below
up to the constant entropy of u (Barber & Agakov 2003; Jeffrey, Alsing & Lanusse 2021,
arXiv:2009.08459), so that the best s is sufficient as far as s has room. For `gaussian` q is one
Gaussian whose mean and full covariance depend on s (the moments of Jeffrey & Wandelt 2020,
arXiv:2011.05991); for `mse` it has unit covariance, and s tends to the posterior mean. q is only
scaffolding: an estimator of its own learns the posterior from s.

In which space. u = Phi^{-1}(F(theta)), parameter by parameter, with F the empirical distribution of
the train split's simulations (ranks / (n + 1), linear in between). Whatever the prior, u is close
to a standard normal and unbounded, so that q need not know where a prior ends. A map of theta alone
adds a constant to L, so it changes no optimum.

The network is that of `networks`; it reads channels with heavy tails twice (`channels`).

Memorisation. A network that knows its training maps by heart gives them summaries of another
distribution than new maps', and every estimator trained on those is overconfident. Augmentation, a
small network, weight decay, an averaged network and early stopping are against it, and `fit`
measures it: `History.notes["memorisation"]` is the loss of `valid` minus that of `train`, both
without augmentation, at the chosen epoch, in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import scipy
import torch
from pydantic import Field
from scipy.special import ndtri
from torch import Tensor, nn
from zuko.mixtures import GMM

from sbipipe.interfaces import Array, Data, Dataset, Fields, History, Run, Weights
from sbipipe.learning.channels import Channels
from sbipipe.learning.networks import FieldNetwork, check_sides, random_symmetry, symmetries
from sbipipe.learning.schedules import Cosine
from sbipipe.learning.training import Rows, optimise, tensors
from sbipipe.protocols import Summariser
from sbipipe.records import InputError, Positive, beside, plugin
from sbipipe.seeds import number, torch_scope

__all__ = ["Cnn"]

CHUNK = 512
"""Fields that go through the network at once when summaries are made."""


def _optimisation() -> Cosine:
    return Cosine(
        epochs=None, patience=10, batch=None, learning_rate=3e-3, weight_decay=1e-2, ema=0.99
    )


@plugin
class Cnn:
    """A learned summary.

    Attributes:
        loss: What is minimised, "vmim", "gaussian" or "mse".
        components: The length of the summary; None takes one number per parameter, which is what
            the posterior's location needs, and keeps the likelihood of s easy to learn for NLE.
        channels: The number of features of each stage; every stage halves the grid.
        mixture: The number of Gaussians in q for `vmim`.
        symmetrise: Whether the summary is averaged over all reflections and right-angle rotations,
            which makes it exactly invariant under them (8 passes in two dimensions, 48 in three).
        optimisation: How the network is trained.
    """

    loss: Literal["vmim", "gaussian", "mse"] = "vmim"
    components: Positive | None = None
    channels: Annotated[tuple[Positive, ...], Field(min_length=1)] = (16, 32, 64)
    mixture: Positive = 6
    symmetrise: bool = True
    optimisation: Annotated[Cosine, beside(_optimisation)] = Field(default_factory=_optimisation)

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {"channels": [4, 8], "optimisation": {"epochs": 2, "batch": 16}}

    def fit(self, train: Dataset, valid: Dataset, run: Run) -> tuple[Summariser, History]:
        """Learn from `train`, choose the epoch on `valid`.

        Raises:
            InputError: For vectors, or fields whose sides do not halve often enough.
            FloatingPointError: If the loss is not finite.
        """
        parameters = train.theta.shape[1]
        components = self.components or parameters
        periodic = _fields(train.data, len(self.channels)).geometry.periodic
        gaussianise = _gaussianiser(train)
        rows = tensors(train.x, gaussianise(train.theta))
        held_out = tensors(valid.x, gaussianise(valid.theta))
        read = Channels.like(rows[0])
        with torch_scope(number(run.seed, "cnn", "weights")):
            network = _Network(
                train.data.shape, self.channels, components=components, periodic=periodic, read=read
            )
            density = _density(self.loss, parameters, components, self.mixture)
            module = nn.ModuleDict({"network": network, "density": density})

        def loss(x: Tensor, u: Tensor) -> Tensor:
            log_prob: Tensor = module["density"](u, module["network"](x))
            return -log_prob

        history = optimise(
            module, loss, rows, held_out, self.optimisation, run, label="cnn",
            augment=partial(_augment, periodic),
        )  # fmt: skip
        gap = _mean(loss, held_out, run) - _mean(loss, rows, run)
        summariser = _Learned(network=network, symmetrise=self.symmetrise).standardised(train.x)
        return summariser, replace(history, notes={"memorisation": gap})

    def restore(self, weights: Weights, *, device: str = "cpu") -> Summariser:
        """The summariser with these weights."""
        meta = weights.meta
        network = _Network(
            tuple(meta["shape"]),
            tuple(meta["channels"]),
            components=meta["components"],
            periodic=meta["periodic"],
            read=Channels(meta["shape"][0], meta["twice"]),
        )
        network.load_state_dict({k: torch.tensor(v) for k, v in weights.arrays.items()})
        return _Learned(network=network.to(device).eval(), symmetrise=meta["symmetrise"])


@dataclass(frozen=True, kw_only=True)
class _Learned:
    """The trained network, with outputs of zero mean and unit variance on the train split."""

    network: _Network
    symmetrise: bool

    def __call__(self, fields: Array) -> Array:
        """Vectors (N, L) for fields of the shape fitted; raises InputError for another."""
        if fields.shape[1:] != self.network.shape:
            raise InputError(
                f"cnn: given fields with shape {fields.shape[1:]}; allowed: {self.network.shape}"
            )
        starts = range(0, len(fields), CHUNK)
        parts = [self._summarise(fields[start : start + CHUNK]) for start in starts]
        return np.concatenate([np.empty((0, self.network.components)), *parts])

    @torch.inference_mode()
    def _summarise(self, fields: Array) -> Array:
        (x,) = tensors(fields)
        images = list(symmetries(x)) if self.symmetrise else [x]
        device = self.network.mean_out.device
        none = torch.zeros((), dtype=torch.float64, device=device)
        total = sum((self.network(image.to(device)).double() for image in images), none)
        scaled = (total / len(images) - self.network.mean_out) / self.network.sd_out
        return np.asarray(scaled.cpu().numpy())

    def standardised(self, fields: Array) -> _Learned:
        """The same with outputs of zero mean and unit variance on these fields."""
        s = torch.as_tensor(self(fields))
        self.network.mean_out.copy_(s.mean(0))
        self.network.sd_out.copy_(s.std(0))
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"s{index}" for index in range(self.network.components))

    @property
    def weights(self) -> Weights:
        arrays = {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}
        meta = {
            "shape": list(self.network.shape),
            "channels": list(self.network.channels),
            "components": self.network.components,
            "periodic": self.network.periodic,
            "twice": list(self.network.read.twice),
            "symmetrise": self.symmetrise,
        }
        return Weights(arrays=arrays, meta=meta)


class _Network(nn.Module):
    """Fields (b, C, *space) to vectors (b, L).

    Args:
        shape: The shape of one field, (C, *space).
        channels: The number of features of each stage.
        components: The length of the vectors, L.
        periodic: Whether opposite sides of the fields meet.
        read: How the fields are read.
    """

    mean_out: Tensor
    sd_out: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, ...],
        *,
        components: int,
        periodic: bool,
        read: Channels,
    ) -> None:
        super().__init__()
        self.shape, self.channels = shape, channels
        self.components, self.periodic = components, periodic
        self.read = read
        self.body = FieldNetwork(
            channels=read.outputs,
            dimensions=len(shape) - 1,
            widths=channels,
            outputs=components,
            periodic=periodic,
        )
        self.register_buffer("mean_out", torch.zeros(components, dtype=torch.float64))
        self.register_buffer("sd_out", torch.ones(components, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        s: Tensor = self.body(self.read(x))
        return s


class _Mixture(nn.Module):
    """log q(u | s): Gaussians about A s, whose means, covariances and weights depend on s."""

    def __init__(self, parameters: int, components: int, mixture: int) -> None:
        super().__init__()
        self.location = nn.Linear(components, parameters)
        self.residual = GMM(
            parameters, components, mixture, hidden_features=(64, 64), activation=nn.SiLU
        )

    def forward(self, u: Tensor, s: Tensor) -> Tensor:
        log_prob: Tensor = self.residual(s).log_prob(u - self.location(s))
        return log_prob


class _UnitGaussian(nn.Module):
    """log q(u | s) = -|u - A s|^2 / 2, up to a constant."""

    def __init__(self, parameters: int, components: int) -> None:
        super().__init__()
        self.location = nn.Linear(components, parameters)

    def forward(self, u: Tensor, s: Tensor) -> Tensor:
        distance: Tensor = u - self.location(s)
        return -0.5 * distance.square().sum(1)


def _density(loss: str, parameters: int, components: int, mixture: int) -> nn.Module:
    if loss == "mse":
        return _UnitGaussian(parameters, components)
    return _Mixture(parameters, components, mixture if loss == "vmim" else 1)


def _gaussianiser(train: Dataset) -> Callable[[Array], Array]:
    """u(theta) of the module's docstring, (N, D) -> (N, D)."""
    knots = [np.unique(column) for column in _one_per_simulation(train).T]
    scores = [ndtri(scipy.stats.rankdata(column) / (len(column) + 1)) for column in knots]

    def gaussianise(theta: Array) -> Array:
        columns = zip(theta.T, knots, scores, strict=True)
        return np.stack([np.interp(*column) for column in columns], 1)

    return gaussianise


def _one_per_simulation(train: Dataset) -> Array:
    return train.theta[np.unique(train.group, return_index=True)[1]]


@torch.no_grad()
def _mean(loss: Callable[..., Tensor], rows: Rows, run: Run) -> float:
    """Mean loss without augmentation."""
    total = 0.0
    for start in range(0, len(rows[0]), CHUNK):
        batch = (tensor[start : start + CHUNK].to(run.device) for tensor in rows)
        total += float(loss(*batch).double().sum())
    return total / len(rows[0])


def _fields(data: Data, stages: int) -> Fields:
    """The data, if they are fields that the network takes; else an InputError."""
    if not isinstance(data, Fields) or data.geometry.dimensions > 3:
        raise InputError(
            f"cnn: given data with shape (N, {', '.join(map(str, data.shape))}); allowed: fields "
            "(N, C, *space) in one to three dimensions. Use identity for vectors"
        )
    check_sides(data.geometry.pixels, stages, "cnn")
    return data


def _augment(periodic: bool, x: Tensor, u: Tensor) -> Rows:
    return random_symmetry(x, periodic=periodic), u
