"""Long vectors made short: a few learned features that keep what is known of the parameters.

A density over twenty numbers is hard to learn where they depend on each other, and most of it says
nothing of theta. Features s(x), one for each parameter, are learned together with a conditional
density q of u = Phi^-1(F(theta)) by

    max_{s, q}  E_{p(u, x)} log q(u | s(x)),

which bounds the mutual information I(u; s) from below up to a constant (Barber & Agakov 2003;
Jeffrey, Alsing & Lanusse 2021, arXiv:2009.08459). q is scaffolding. Whatever s is, p(theta | s(x))
is calibrated; what is lost are nats. So twice as many features are tried, too, and taken where they
are worth `PAYS` nats a row of the held-out ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sbipipe.interfaces import Array, History, Run
from sbipipe.learning.densities import (
    PAIRS,
    SPLINE_DIMENSIONS,
    ConditionalDensity,
    build_density,
    pieces,
)
from sbipipe.learning.members import load_named, named_arrays
from sbipipe.learning.schedules import Annealed
from sbipipe.learning.standardise import Standardise
from sbipipe.learning.training import Rows, optimise
from sbipipe.learning.whiten import Whiten
from sbipipe.seeds import number, torch_scope

LONG = 8
"""Components up to which vectors are short."""

HIDDEN = 128
"""Units of each of the two hidden layers."""

OWN = "features/"
"""What the names of the weights begin with."""

STEPS = 2_000
"""Steps of the optimiser after which features are good enough."""

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


class Features(nn.Module):
    """s(x), a straight line and what a perceptron adds to it.

    Args:
        rows: Training rows (N, L), for their scales and axes.
        features: The length of s.
    """

    def __init__(self, rows: Tensor, features: int) -> None:
        super().__init__()
        length = rows.shape[1]
        self.standardise = Whiten(rows)
        self.line = nn.Linear(length, features)
        self.body = nn.Sequential(
            nn.Linear(length, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, features),
        )

    def forward(self, rows: Tensor) -> Tensor:
        rows = self.standardise(rows)
        features: Tensor = self.line(rows) + self.body(rows)
        return features

    @property
    def features(self) -> int:
        return self.line.out_features

    @torch.no_grad()
    def of(self, x: Tensor) -> Tensor:
        device = self.line.weight.device
        parts = [self(part.to(device)).cpu() for part in pieces(x, PAIRS)]
        return torch.cat(parts) if parts else x.new_empty(0, self.line.out_features)

    def digest(self, x: Array) -> Array:
        found = self.of(torch.as_tensor(x, dtype=torch.float32))
        return torch.where(found.isfinite().all(1, keepdim=True), found, torch.nan).double().numpy()

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        return named_arrays(self, OWN)


def shorten(
    train: Rows, valid: Rows, features: int | None, settings: Annealed, run: Run
) -> tuple[Short, list[History]]:
    """What stands for x, learned from rows (u, x).

    Args:
        features: How many; 0 takes x itself, as it does fields; None decides.
    """
    (u, x), own = train, features
    if x.ndim > 2 or own == 0 or (own is None and not is_long(x.shape[1], u.shape[1])):
        return Itself(), []
    if own:
        found, history = _learn(train, valid, own, settings, run)
        return found, [history]
    tried = [_learn(train, valid, k * u.shape[1], settings, run) for k in (1, 2)]
    few, many = (min(curve["valid"]) for _, found in tried for curve in found.curves.values())
    return tried[int(many < few - PAYS)][0], [history for _, history in tried]


def _learn(
    train: Rows, valid: Rows, features: int, settings: Annealed, run: Run
) -> tuple[Features, History]:
    u, x = train
    label = f"features {features}"
    with torch_scope(number(run.seed, label, "initialise")):
        found = Features(x, features)
        smooth = u.shape[1] > SPLINE_DIMENSIONS
        scaffolding = build_density(
            density="zuko_maf" if smooth else "zuko_nsf",
            hidden=64,
            transforms=5 if smooth else 3,
            inputs=u,
            conditions=torch.randn(2, features),
        )
        module = ConditionalDensity(scaffolding.net, Standardise(u), found)
    brief = replace(settings, steps=min(STEPS, settings.steps))
    own = replace(run, seed=number(run.seed, label))
    history = optimise(module, module.loss, train, valid, brief, own, label, keep=True)
    return found.eval(), history


def restored(arrays: Mapping[str, NDArray[Any]], length: int, features: int, device: str) -> Short:
    """What gave these arrays, among others, of vectors of a length."""
    if not features:
        return Itself()
    with torch_scope(0):
        found = Features(torch.zeros(2, length), features)
    load_named(found, arrays, OWN)
    return found.to(device).eval()


__all__ = ["Features", "Itself", "Short", "is_long", "restored", "shorten"]
