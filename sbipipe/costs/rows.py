"""Some rows of a set, and how many it will have: what trials of a fit are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sbipipe.interfaces import Dataset
from sbipipe.protocols import Prior

VALUES = 2**20
"""Numbers in a batch of a trial, at most: those of 64 maps of 128 x 128. A step of more rows takes
as many times as long."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A set.

    Attributes:
        some: Rows of it.
        number: The rows of each split.
        simulations: The simulations of each split.
        prior: The prior of its parameters.
    """

    some: Dataset
    number: Mapping[str, int]
    simulations: Mapping[str, int]
    prior: Prior

    def part(self, first: int, rows: int) -> Dataset:
        """Some of the rows, from the first again where they do not suffice."""
        return self.some.rows(np.arange(first, first + rows) % len(self.some))

    def batch(self, rows: int) -> int:
        """The rows of a trial's batches in the place of so many."""
        return min(rows, max(1, VALUES // self.some.x[:1].size))


__all__ = ["Rows"]
