"""Simulations in memory: looked at, split and turned into vectors as the stages do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sbipipe.config import Simulations
from sbipipe.interfaces import SPLITS, Array, Dataset, Fields, Vectors
from sbipipe.posteriors.novelty import Neighbourhood, neighbourhood
from sbipipe.protocols import Prior, Summariser, UnknownPrior
from sbipipe.records import InputError
from sbipipe.seeds import stream
from sbipipe.sets import brought
from sbipipe.sets.shares import default_shares
from sbipipe.sets.splits import assign
from sbipipe.sets.support import support
from sbipipe.sets.tables import table


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Simulations in their splits.

    Attributes:
        splits: The rows of each split, all finite, by name.
        prior: The prior, declared or estimated from `train`.
        remarks: What is worth a look in them, a sentence each.
    """

    splits: Mapping[str, Dataset]
    prior: Prior
    remarks: tuple[str, ...] = ()

    @property
    def train(self) -> Dataset:
        """What is learned from."""
        return self.splits["train"]

    @property
    def valid(self) -> Dataset:
        """What stops training, and chooses."""
        return self.splits["valid"]

    def test(self, seed: int) -> Dataset:
        """One row of each test simulation."""
        return self.splits["test"].one_per_group(stream(seed, "test row"))

    def neighbourhood(self, seed: int) -> Neighbourhood:
        """What an observation is set beside, with independent rows that were held out."""
        held_out = self.valid.one_per_group(stream(seed, "novelty"))
        return neighbourhood(self.train.x, held_out.x)

    def summarised(self, summariser: Summariser) -> Rows:
        """The vectors of these rows."""
        data = Vectors(components=tuple(summariser.names))
        vectors = {
            split: replace(rows, data=data, x=summariser(rows.x))
            for split, rows in self.splits.items()
        }
        return replace(self, splits=vectors)


def rows_of(
    columns: Mapping[str, Any],
    prior: Prior | UnknownPrior,
    shares: Simulations | None,
    seed: int,
    *,
    periodic: bool = True,
) -> Rows:
    """Rows from columns in memory.

    Args:
        columns: The columns `theta`, `x` and perhaps `group`, by name.
        prior: What is declared of the prior.
        shares: Of the simulations, that each split receives; by default those of the stages.
        periodic: Whether opposite sides of fields meet.

    Raises:
        InputError: With every problem of the columns.
    """
    reader = _InMemory(columns=columns, prior=prior, periodic=periodic)
    read = reader.read()
    remarks = brought.look(read, reader, "fit")
    sound = read.rows(read.finite)
    index = assign(sound.group, shares or default_shares(len(np.unique(sound.group))), seed)
    empty = [split for split in ("train", "valid", "test") if not len(index[split])]
    if empty:
        problem = f"theta: given {len(sound)} rows that are finite; allowed: enough for the split"
        raise InputError(*(f"{problem} {split}" for split in empty))
    known, _ = brought.prior_of(sound, index, prior, seed)
    splits = {split: sound.rows(index[split]) for split in SPLITS}
    return Rows(splits=splits, prior=known, remarks=remarks)


@dataclass(frozen=True, kw_only=True)
class _InMemory:
    """A `Reader` of columns."""

    columns: Mapping[str, Any]
    prior: Prior | UnknownPrior
    periodic: bool

    def read(self) -> Dataset:
        rows = table(self.columns, support(self.prior), "fit")
        if not isinstance(rows.data, Fields):
            return rows
        geometry = replace(rows.data.geometry, periodic=self.periodic)
        return replace(rows, data=replace(rows.data, geometry=geometry))


Observe = Callable[[Array], Array]
"""What estimators are given of rows, (B, ...) -> (B, ...)."""

__all__ = ["Observe", "Rows", "rows_of"]
