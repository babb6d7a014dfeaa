"""Long vectors made short: a few learned features that keep what is known of the parameters.

A density over twenty numbers is hard to learn where they depend on each other, and most of it says
nothing of theta. Features s(x), one for each parameter, are learned together with a conditional
density q of u = Phi^-1(F(theta)) by

    max_{s, q}  E_{p(u, x)} log q(u | s(x)),

which bounds the mutual information I(u; s) from below up to a constant (Barber & Agakov 2003;
Jeffrey, Alsing & Lanusse 2021, arXiv:2009.08459). q is scaffolding. Whatever s is, p(theta | s(x))
is calibrated; what is lost are nats. So twice as many features are tried, too, and taken where they
are worth `PAYS` nats a row of the held-out ones.

That holds of an s that does not know the rows from which p(theta | s) is learned. These do: what
they remember of a row is lost on others, and a density that trusts them is too narrow. A straight
line remembers little, so a perceptron adds to it what is left, with dropout (Srivastava et al.
2014, JMLR 15:1929) where held-out rows are described better with it; and an ensemble whose members
each have their own set of features knows how little it knows of them. The scaffolding, which stops
with its features, may itself be the best density of u (`readers`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sbipipe.interfaces import Array, History, Run, Weights
from sbipipe.learning.densities import (
    PAIRS,
    SPLINE_DIMENSIONS,
    ConditionalDensity,
    build_density,
    pieces,
)
from sbipipe.learning.ensembles import Ensemble
from sbipipe.learning.members import (
    Together,
    load_members,
    load_named,
    named_arrays,
    together,
)
from sbipipe.learning.schedules import Annealed
from sbipipe.learning.standardise import Standardise
from sbipipe.learning.training import Rows, optimise
from sbipipe.learning.whiten import Whiten
from sbipipe.seeds import number, torch_scope

LONG = 8
"""Components up to which vectors are short."""

HIDDEN = 128
"""Units of each of the two hidden layers."""

DROPPED = (0.0, 0.3)
"""Shares of the hidden units that training leaves out at random, which are tried: few rows are soon
known by heart; where there is little noise and much to learn, every unit is needed."""

OWN = "features/"
"""What the names of the weights begin with."""

TRIAL, STEPS = 600, 2_000
"""Steps of the optimiser after which features are compared, and are good enough."""

PAYS = 0.05
"""Nats a row that the second half of the features must be worth."""


class Short(Protocol):
    """What stands for a vector."""

    @property
    def features(self) -> int:
        """The number of features; 0 for the vector itself."""

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned, by name."""

    def of(self, x: Tensor) -> Tensor:
        """Of rows (N, L), on the CPU: (N, F), or the rows themselves."""

    def digest(self, x: Array) -> Array:
        """Of rows (B, L): features (B, F), NaN where x is not finite, or the rows themselves."""


class Itself:
    """A vector, or a field, that nothing else stands for."""

    features = 0
    arrays: ClassVar[dict[str, NDArray[Any]]] = {}

    def of(self, x: Tensor) -> Tensor:
        return x

    def digest(self, x: Array) -> Array:
        return x


def is_long(components: int, parameters: int) -> bool:
    """Whether features stand for a vector: it has more components than `LONG`, and at least twice
    as many as there are parameters."""
    return components > LONG and components >= 2 * parameters


class Map(nn.Module):
    """s(x), a straight line and what a perceptron adds to it, at first nothing.

    Args:
        rows: Training rows (N, L), for their scales and axes.
        features: The length of s.
        dropped: The share of the perceptron's units that training leaves out at random.
    """

    def __init__(self, rows: Tensor, features: int, dropped: float = 0.0) -> None:
        super().__init__()
        length = rows.shape[1]
        self.standardise = Whiten(rows)
        self.line = nn.Linear(length, features)
        last = nn.Linear(HIDDEN, features)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(
            nn.Linear(length, HIDDEN),
            nn.SiLU(),
            nn.Dropout(dropped),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.Dropout(dropped),
            last,
        )

    def forward(self, rows: Tensor) -> Tensor:
        rows = self.standardise(rows)
        features: Tensor = self.line(rows) + self.body(rows)
        return features


class Features(nn.Module):
    """Features of a vector, in sets that were learned apart, behind each other.

    Args:
        maps: Those of each set, of one length.
    """

    def __init__(self, maps: Sequence[Map]) -> None:
        super().__init__()
        self.maps: Any = nn.ModuleList(maps)

    @property
    def features(self) -> int:
        """Of each set."""
        count: int = self.maps[0].line.out_features
        return count

    @torch.no_grad()
    def of(self, x: Tensor) -> Tensor:
        device = self.maps[0].line.weight.device
        each = (part.to(device) for part in pieces(x, PAIRS))
        parts = [torch.cat([one(part) for one in self.maps], 1).cpu() for part in each]
        return torch.cat(parts) if parts else x.new_empty(0, len(self.maps) * self.features)

    def digest(self, x: Array) -> Array:
        found = self.of(torch.as_tensor(x, dtype=torch.float32))
        return torch.where(found.isfinite().all(1, keepdim=True), found, torch.nan).double().numpy()

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        return named_arrays(self, OWN)


@dataclass(frozen=True, kw_only=True)
class Shortened:
    """What was learned of long vectors.

    Attributes:
        short: What stands for them.
        readers: The densities q(u | s(x)), of x itself, that learned with each set of features.
        loss: The validation loss of their mixture.
        histories: How it went.
    """

    short: Short
    readers: tuple[ConditionalDensity, ...] = ()
    loss: float = math.inf
    histories: tuple[History, ...] = ()


def shorten(
    train: Rows,
    valid: Rows,
    features: int | None,
    settings: Annealed,
    run: Run,
    sets: int = 1,
) -> Shortened:
    """What stands for x, learned from rows (u, x).

    Args:
        features: How many; 0 takes x itself, as it does fields; None decides.
        sets: How many sets of so many features are learned side by side.
    """
    (u, x), wanted = train, features
    if x.ndim > 2 or wanted == 0 or (wanted is None and not is_long(x.shape[1], u.shape[1])):
        return Shortened(short=Itself())
    tried: list[History] = []

    def loss(count: int, dropped: float) -> float:
        tried.append(_learn(train, valid, count, dropped, 1, settings, run, trial=True)[1])
        (curve,) = tried[-1].curves.values()
        return float(min(curve["valid"]))

    count = wanted or u.shape[1]
    losses = {dropped: loss(count, dropped) for dropped in DROPPED}
    dropped = min(losses, key=losses.__getitem__)
    if not wanted and loss(2 * count, dropped) < losses[dropped] - PAYS:
        count *= 2
    found, history = _learn(train, valid, count, dropped, sets, settings, run)
    readers = found.apart()
    return Shortened(
        short=Features([one.embedding for one in readers]),
        readers=readers,
        loss=min(history.curves[_label(count)]["valid"]),
        histories=(*tried, history),
    )


def sets_of(features: int, members: int) -> int:
    """How many sets of features an ensemble reads: one for each member, or none, which is whole."""
    return members if features else 1


def _label(features: int) -> str:
    return f"features {features}"


def _density(u: Tensor, x: Tensor, features: int, dropped: float = 0.0) -> ConditionalDensity:
    """A new q(u | s(x)) of so many features, for rows (N, D) and (N, L)."""
    smooth = u.shape[1] > SPLINE_DIMENSIONS
    net = build_density(
        density="zuko_maf" if smooth else "zuko_nsf",
        hidden=64,
        transforms=5 if smooth else 3,
        inputs=u,
        conditions=torch.randn(2, features),
    ).net
    return ConditionalDensity(net, Standardise(u), Map(x, features, dropped))


def _learn(
    train: Rows,
    valid: Rows,
    features: int,
    dropped: float,
    sets: int,
    settings: Annealed,
    run: Run,
    trial: bool = False,
) -> tuple[Together, History]:
    """Sets of so many features, each with the density that reads them."""
    label = _label(features)
    if trial:
        label += f" trial, {dropped:.0%} dropped" if dropped else " trial"
    brief = replace(settings, steps=min(TRIAL if trial else STEPS, settings.steps))
    own = replace(run, seed=number(run.seed, label))
    u, x = train
    found = together(lambda _: _density(u, x, features, dropped), sets, own.seed, stacked=True)
    return found, optimise(found, found.loss, train, valid, brief, own, label, keep=True)


def restored(
    arrays: Mapping[str, NDArray[Any]], length: int, features: int, device: str, sets: int = 1
) -> Short:
    """What gave these arrays, among others, of vectors of a length."""
    if not features:
        return Itself()
    with torch_scope(0):
        found = Features([Map(torch.zeros(2, length), features) for _ in range(sets)])
    load_named(found, arrays, OWN)
    return found.to(device).eval()


def joined(weights: Weights, u: Tensor, x: Tensor, features: int, device: str) -> Ensemble:
    """The ensemble of `readers` that gave these weights; u (2, D) and x (2, L) have its shapes."""
    shares = np.asarray(weights.arrays["weights"])
    builds = [lambda _: _density(u, x, features)] * len(shares)
    return Ensemble(members=load_members(builds, weights.arrays, device), weights=shares)


__all__ = ["Itself", "Map", "Short", "is_long", "joined", "restored", "sets_of", "shorten"]
