"""Long vectors made short: a few learned features that keep what is known of the parameters.

A density over twenty numbers is hard to learn where they depend on each other, and most of it says
nothing of theta. Features s(x), one for each parameter, are learned together with a conditional
density q of u = Phi^-1(F(theta)) by

    max_{s, q}  E_{p(u, x)} log q(u | s(x)),

which bounds the mutual information I(u; s) from below up to a constant (Barber & Agakov 2003;
Jeffrey, Alsing & Lanusse 2021, arXiv:2009.08459). q is scaffolding. Whatever s is, p(theta | s(x))
is calibrated; what is lost are nats. So more is tried, too, and taken where it is worth `PAYS` nats
a row of the held-out ones: features of squares beside the numbers themselves, and twice as many of
them. Squares along the principal axes of a time series, or of pixels, are the power of its modes,
of which a straight line then says at once what a network learns from many rows only.

That holds of an s that does not know the rows from which p(theta | s) is learned. These do: what
they remember of a row is lost on others, and a density that trusts them is too narrow. A straight
line remembers little, so a perceptron adds to it what is left, with dropout (Srivastava et al.
2014, JMLR 15:1929) where held-out rows are described better with it, which is asked again beside
squares; and an ensemble whose members each have their own set of features knows how little it knows
of them.

NPE needs no scaffolding: the map from x to s (`Map`) is a part of each of its densities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
from sbipipe.learning.members import Together, load_named, named_arrays, together
from sbipipe.learning.schedules import Annealed
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

TRIAL = 600
"""Steps of the optimiser after which features are compared."""

PAYS = 0.05
"""Nats a row that squares, or the second half of the features, must be worth."""

FAR = 4.0
"""Standard deviations beyond which squares stay as they are."""


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
        squares: Whether squares stand beside the numbers.
    """

    def __init__(
        self, rows: Tensor, features: int, dropped: float = 0.0, squares: bool = False
    ) -> None:
        super().__init__()
        self.squares = squares
        length = rows.shape[1] * (1 + squares)
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
        if self.squares:
            rows = torch.cat([rows, rows.clamp(-FAR, FAR) ** 2 - 1], -1)
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


@dataclass(frozen=True)
class Choice:
    """What features are to be learned.

    Attributes:
        features: How many.
        dropped: The share of the hidden units that training leaves out at random.
        squares: Whether squares stand beside the numbers.
    """

    features: int
    dropped: float = 0.0
    squares: bool = False

    def map(self, rows: Tensor) -> Map:
        """A new map of vectors like the rows (N, L)."""
        return Map(rows, self.features, self.dropped, self.squares)

    @property
    def trial(self) -> str:
        """What a trial of it is called."""
        squares = "squares" if self.squares else ""
        dropped = f"{self.dropped:.0%} dropped" if self.dropped else ""
        return ", ".join(filter(None, (f"features {self.features} trial", squares, dropped)))


def choose(
    train: Rows, valid: Rows, features: int | None, settings: Annealed, run: Run
) -> tuple[Choice | None, tuple[History, ...]]:
    """What features of x to learn from rows (u, x), or None for x itself; and what was tried.

    Args:
        features: How many; 0 takes x itself, as it does fields; None decides.
    """
    u, x = train
    if x.ndim > 2 or features == 0 or (features is None and not is_long(x.shape[1], u.shape[1])):
        return None, ()
    tried: list[History] = []

    def loss(choice: Choice) -> float:
        tried.append(_learn(train, valid, choice, 1, settings, run, trial=True)[1])
        (curve,) = tried[-1].curves.values()
        return float(min(curve["valid"]))

    losses = {one: loss(one) for one in (Choice(features or u.shape[1], p) for p in DROPPED)}
    best = min(losses, key=losses.__getitem__)

    def takes(other: Choice, worth: float = PAYS) -> bool:
        """Whether this is better, which is then the best."""
        nonlocal best
        losses[other] = loss(other)
        if losses[other] >= losses[best] - worth:
            return False
        best = other
        return True

    if takes(replace(best, squares=True)):
        for dropped in [one for one in DROPPED if one != best.dropped]:
            takes(replace(best, dropped=dropped), 0.0)
    if not features:
        takes(replace(best, features=2 * best.features))
    return best, tuple(tried)


def shorten(
    train: Rows,
    valid: Rows,
    features: int | None,
    settings: Annealed,
    run: Run,
    sets: int = 1,
) -> tuple[Short, tuple[History, ...]]:
    """What stands for x, learned from rows (u, x); and how it went.

    Args:
        features: As `choose` has it.
        sets: How many sets of features are learned side by side.
    """
    choice, tried = choose(train, valid, features, settings, run)
    if choice is None:
        return Itself(), ()
    found, history = _learn(train, valid, choice, sets, settings, run)
    return Features([one.embedding for one in found.apart()]), (*tried, history)


def sets_of(features: int, members: int) -> int:
    """How many sets of features an ensemble reads: one for each member, or none, which is whole."""
    return members if features else 1


def _density(u: Tensor, x: Tensor, choice: Choice) -> ConditionalDensity:
    """A new q(u | s(x)), for rows (N, D) and (N, L)."""
    smooth = u.shape[1] > SPLINE_DIMENSIONS
    return build_density(
        density="zuko_maf" if smooth else "zuko_nsf",
        hidden=64,
        transforms=5 if smooth else 3,
        inputs=u,
        conditions=x,
        reads=partial(choice.map, x),
    )


def _learn(
    train: Rows,
    valid: Rows,
    choice: Choice,
    sets: int,
    settings: Annealed,
    run: Run,
    trial: bool = False,
) -> tuple[Together, History]:
    """Sets of features, each with the density that reads them."""
    label = choice.trial if trial else f"features {choice.features}"
    if trial:
        settings = replace(settings, steps=min(TRIAL, settings.steps))
    own = replace(run, seed=number(run.seed, label))
    u, x = train
    found = together(lambda _: _density(u, x, choice), sets, own.seed, stacked=True)
    return found, optimise(found, found.loss, train, valid, settings, own, label, keep=True)


def restored(
    arrays: Mapping[str, NDArray[Any]], length: int, features: int, device: str, sets: int = 1
) -> Short:
    """What gave these arrays, among others, of vectors of a length."""
    if not features:
        return Itself()
    with torch_scope(0):
        squares = arrays[f"{OWN}maps.0.line.weight"].shape[1] > length
        one = Choice(features, squares=squares)
        found = Features([one.map(torch.zeros(2, length)) for _ in range(sets)])
    load_named(found, arrays, OWN)
    return found.to(device).eval()


__all__ = [
    "Choice",
    "Itself",
    "Map",
    "Short",
    "choose",
    "is_long",
    "restored",
    "sets_of",
    "shorten",
]
