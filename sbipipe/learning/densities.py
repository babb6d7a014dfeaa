"""Conditional densities by name, ensembles of them, and their weights as arrays.

The networks are sbi's (zuko and nflows flows, mixtures of Gaussians). What is added here: inputs
and conditions are standardised by buffers that are saved with the weights, conditions are embedded
once for all draws, and an ensemble is the mixture

    q(a | b) = sum_k w_k q_k(a | b),

whose weights maximise the mean of log q over held-out rows (stacking, Yao et al. 2018,
arXiv 1704.02030). The problem is concave; expectation maximisation solves it.

Drawing leaves circles: a transform of torch and its inverse hold each other, and the tensors of a
pass with them. So Python's collector is called after each piece, whatever its thresholds are.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator
from sbi.neural_nets import posterior_nn
from torch import Tensor, nn

from sbipipe.interfaces import Array, Data, Fields, Generator, History, Run
from sbipipe.learning.networks import FieldNetwork, check_sides
from sbipipe.learning.training import Optimisation, Rows, merge, optimise
from sbipipe.records import InputError
from sbipipe.seeds import number, torch_scope

DENSITIES = (
    "mdn", "made", "maf", "maf_rqs", "nsf",
    "zuko_bpf", "zuko_gf", "zuko_maf", "zuko_nice", "zuko_nsf",
)  # fmt: skip
"""Names of sbi's densities that integrate to one over the real line, each tried here. A draw of
zuko_bpf or a density of zuko_gf takes 0.1 to 0.2 ms, the others 1 to 20 us. sbi also knows
zuko_ncsf (of angles: not normalised over the line), zuko_naf and zuko_sospf (a draw by bisection
takes 0.3 ms), and zuko_unaf (of their kind; not tried)."""

PAIRS = 2**15
"""Pairs of input and condition that a network sees at once."""


def _known(name: str) -> str:
    if name not in DENSITIES:
        raise ValueError(f"allowed: {', '.join(DENSITIES)}")
    return name


DensityName = Annotated[str, AfterValidator(_known)]
"""The type of a plugin's field that names a density."""


def pieces(rows: Tensor, size: int) -> Iterator[Tensor]:
    """At most `size` rows at a time."""
    return (rows[i : i + size] for i in range(0, len(rows), size))


class Standardise(nn.Module):
    """Takes rows to zero mean and unit variance: each component of vectors, each channel of fields.

    Constant components are only shifted.

    Args:
        rows: To take the moments from, with shape (N, L) or (N, C, *space).
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        axes = (0, *range(2, rows.ndim))
        scale = rows.double().std(axes, unbiased=False, keepdim=True)[0].float()
        self.register_buffer("loc", rows.double().mean(axes, keepdim=True)[0].float())
        self.register_buffer("scale", torch.where(scale > 0, scale, torch.ones_like(scale)))

    def forward(self, rows: Tensor) -> Tensor:
        return (rows - self.loc) / self.scale


class ConditionalDensity(nn.Module):
    """q(a | b) of vectors a given vectors or fields b.

    Args:
        net: sbi's estimator of standardised a given the embedding of b.
        inputs: Standardises a.
        embedding: Of b.
    """

    def __init__(self, net: nn.Module, inputs: Standardise, embedding: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.inputs = inputs
        self.embedding = embedding

    def loss(self, a: Tensor, b: Tensor) -> Tensor:
        """Minus log q(a | b) of each row, up to the constant Jacobian of the standardisation."""
        losses: Tensor = self.net.loss(self.inputs(a), self.embedding(b))  # type: ignore[operator]
        return losses

    @torch.no_grad()
    def embed(self, b: Tensor) -> Tensor:
        """Embeddings (B, E) of conditions (B, ...)."""
        device = self.inputs.loc.device
        parts = pieces(b, 256 if b.ndim > 2 else PAIRS)
        return torch.cat([self.embedding(part.to(device)) for part in parts])

    def embed_all(self, b: Tensor) -> Tensor:
        """Embeddings (n, B, E) of vectors (n, B, L)."""
        return self.embed(b.flatten(0, 1)).reshape(*b.shape[:2], -1)

    @torch.no_grad()
    def log_prob(self, a: Tensor, embedded: Tensor) -> Tensor:
        """log q(a | b), a (n, B, A) and embeddings (B, E) or (n, B, E) -> (n, B), in float64."""
        pairs = np.broadcast_shapes(a.shape[:-1], embedded.shape[:-1])
        a, embedded = a.expand(*pairs, -1), embedded.expand(*pairs, -1)
        parts = []
        for pair in pieces(torch.arange(math.prod(pairs)), PAIRS):
            at = pair // pairs[1], pair % pairs[1]
            rows = self.inputs(a[at].to(embedded.device))
            parts.append(self.net.log_prob(rows[None], embedded[at])[0])  # type: ignore[operator]
        jacobian = self.inputs.scale.double().log().sum()
        return torch.cat(parts).double().reshape(pairs) - jacobian

    @torch.no_grad()
    def sample(self, n: int, embedded: Tensor) -> Tensor:
        """Draws (n, B, A) given embeddings (B, E); from torch's generator."""
        chunk = max(1, PAIRS // max(1, len(embedded)))
        counts = [chunk] * (n // chunk) + [n % chunk] * (n % chunk > 0)
        shape = (0, len(embedded), self.inputs.loc.numel())
        parts = [embedded.new_empty(shape)]
        for count in counts:
            parts.append(self.net.sample((count,), embedded))  # type: ignore[operator]
            gc.collect(1)
        return torch.cat(parts) * self.inputs.scale + self.inputs.loc


def build_density(
    *,
    density: str,
    hidden: int,
    transforms: int,
    inputs: Tensor,
    conditions: Tensor,
    features: int = 16,
    width: int = 16,
    periodic: bool = True,
) -> ConditionalDensity:
    """A new network, initialised from torch's generator.

    Args:
        density: One of `DENSITIES`.
        hidden: Units in each of two hidden layers.
        transforms: Of a flow.
        inputs: Training rows (N, A), for their mean and scale.
        conditions: Training rows: vectors (N, L), or fields (N, C, *space), which a network
            embeds.
        features, width: Length of a field's embedding, and the network's first width.
        periodic: Whether opposite sides of fields meet.
    """
    standard = Standardise(conditions)
    embedding: nn.Module = standard
    if conditions.ndim > 2:
        widths = (width, 2 * width, 4 * width)
        check_sides(conditions.shape[2:], len(widths), "npe")
        net = FieldNetwork(
            channels=conditions.shape[1],
            dimensions=conditions.ndim - 2,
            widths=widths,
            outputs=features,
            periodic=periodic,
        )
        embedding = nn.Sequential(standard, net)
    with torch.no_grad():
        embedded = embedding(conditions[:2])
    layers = [hidden] * 2 if density.startswith("zuko") else hidden
    builder = posterior_nn(
        density,
        hidden_features=layers,
        num_transforms=transforms,
        z_score_theta="none",
        z_score_x="none",
    )
    return ConditionalDensity(builder(inputs[:2], embedded), Standardise(inputs), embedding)


def train_members(
    build: Callable[[], nn.Module],
    train: Rows,
    valid: Rows,
    *,
    size: int,
    settings: Optimisation,
    run: Run,
    augment: Callable[..., Rows] | None = None,
) -> tuple[tuple[Any, ...], History]:
    """Networks that differ in their seed alone, with their learning curves.

    Args:
        build: A new network from torch's generator, with a method `loss(*rows) -> (b,)`.
        size: How many.
    """
    members, histories = [], []
    for k in range(size):
        label = f"member{k}"
        own = replace(run, seed=number(run.seed, label))
        with torch_scope(number(own.seed, "initialise")):
            member: Any = build()
        histories.append(optimise(member, member.loss, train, valid, settings, own, label, augment))
        members.append(member)
    return tuple(members), merge(histories)


def stacking_weights(log_prob: Array, iterations: int = 2000) -> Array:
    """Weights w that maximise the mean over rows of log sum_k w_k q_k.

    Args:
        log_prob: log q_k of each member and row, with shape (K, N).
    """
    members = len(log_prob)
    density = np.exp(log_prob - log_prob.max(0))
    weights = np.full(members, 1 / members)
    for _ in range(iterations if members > 1 else 0):
        joint = weights[:, None] * density
        weights = (joint / joint.sum(0)).mean(1)
    return np.asarray(weights / weights.sum())


def mixture_log_prob(log_prob: Array, weights: Array) -> Array:
    """log sum_k w_k q_k from log q_k with shape (K, ...)."""
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights).reshape(-1, *[1] * (log_prob.ndim - 1))
    return np.asarray(np.logaddexp.reduce(log_prob + log_weights, axis=0))


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """A mixture of conditional densities.

    Attributes:
        members: The networks, in evaluation mode.
        weights: Of the mixture, with shape (K,).
    """

    members: tuple[ConditionalDensity, ...]
    weights: Array

    @classmethod
    def stacked(cls, members: Sequence[ConditionalDensity], a: Tensor, b: Tensor) -> Self:
        """With the weights that describe held-out rows best."""
        log_prob = np.stack([_numpy(m.log_prob(a[None], m.embed(b))[0]) for m in members])
        return cls(members=tuple(members), weights=stacking_weights(log_prob))

    @property
    def device(self) -> torch.device:
        """Where the members are."""
        return self.members[0].inputs.loc.device

    def embed(self, b: Tensor) -> list[Tensor]:
        """Each member's embedding (B, E) of the conditions."""
        return [member.embed(b) for member in self.members]

    def log_prob(self, a: Tensor, embedded: Sequence[Tensor]) -> Array:
        """Of the mixture, a (n, B, A) -> (n, B)."""
        pairs = zip(self.members, embedded, strict=True)
        parts = np.stack([_numpy(member.log_prob(a, e)) for member, e in pairs])
        return mixture_log_prob(parts, self.weights)

    def sample(self, n: int, embedded: Sequence[Tensor], rng: Generator) -> Array:
        """Draws (n, B, A): every member's share, shuffled within each observation."""
        counts = rng.multinomial(n, self.weights)
        with torch_scope(int(rng.integers(2**63))):
            parts = [
                _numpy(member.sample(int(count), e))
                for member, count, e in zip(self.members, counts, embedded, strict=True)
            ]
        draws = np.concatenate(parts)
        order = rng.random(draws.shape[:2]).argsort(0)
        return np.asarray(np.take_along_axis(draws, order[..., None], 0))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned, by name."""
        return {"weights": self.weights, **member_arrays(self.members)}


def member_arrays(members: Sequence[nn.Module]) -> dict[str, NDArray[Any]]:
    """Weights and buffers of networks as `member0/...`, `member1/...`."""
    return {
        f"member{k}/{name}": value.detach().cpu().numpy()
        for k, member in enumerate(members)
        for name, value in member.state_dict().items()
    }


def load_members(
    build: Callable[[], nn.Module],
    arrays: Mapping[str, NDArray[Any]],
    size: int,
    device: str = "cpu",
) -> tuple[Any, ...]:
    """Networks with the weights that `member_arrays` gave, on a device."""
    return tuple(member.to(device) for member in _load_members(build, arrays, size))


def _load_members(
    build: Callable[[], nn.Module], arrays: Mapping[str, NDArray[Any]], size: int
) -> Iterator[nn.Module]:
    for k in range(size):
        with torch_scope(0):
            member = build()
        prefix = f"member{k}/"
        own = {
            name.removeprefix(prefix): torch.as_tensor(value)
            for name, value in arrays.items()
            if name.startswith(prefix)
        }
        member.load_state_dict(own)
        yield member.eval()


def check_vectors(data: Data) -> None:
    """Raise InputError for fields where only vectors will do."""
    if isinstance(data, Fields):
        raise InputError(
            f"of: given fields with shape {data.shape}; allowed: a summary, which gives vectors"
        )


def check_varies(x: Array) -> None:
    """Raise InputError where a density over x would be degenerate."""
    constant = np.flatnonzero(np.ptp(x, axis=0) == 0)
    if len(constant):
        columns = ", ".join(map(str, constant))
        raise InputError(
            f"x: components {columns} are the same in all {len(x)} training rows; "
            "a density over x needs components that vary"
        )


def _numpy(tensor: Tensor) -> Array:
    return np.asarray(tensor.cpu().numpy(), np.float64)
