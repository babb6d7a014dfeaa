r"""Where an observation lies among others, in numbers that a posterior's error may depend on.

They are those of the gate's test by region: the mean and the log of the standard deviation of each
parameter's draws, and what the estimator is given of the observation (`given`). Each enters by its
place t among some rows, as the Legendre polynomials of degree 1 and 2 of t. A place beyond all of
the rows is that of the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sbipipe.interfaces import Array, Dataset, Index, Mask
from sbipipe.legendre import legendre
from sbipipe.posteriors.given import Given, below, names_of


@dataclass(frozen=True, kw_only=True)
class Where:
    """Columns of mean square 1, nearly, over the rows that they are learned from.

    Attributes:
        given: What an estimator is given of an observation.
        dims: The number of parameters D.
        ordered: The numbers of the rows, each in rising order, with shape (N, V): 2 D of draws,
            then those of the observation.
    """

    given: Given
    dims: int
    ordered: Array

    @classmethod
    def of(cls, x: Array, draws: Array) -> Where:
        """From rows (N, ...) and draws of their posteriors (n, N, D), all of them finite."""
        given = Given.of(x)
        ordered = np.sort(_numbers(given, x, draws), 0)
        return cls(given=given, dims=draws.shape[2], ordered=ordered)

    @classmethod
    def restored(cls, arrays: Mapping[str, Array], dims: int) -> Where:
        """The one with these `arrays`."""
        return cls(given=Given.restored(arrays), dims=dims, ordered=arrays["where"])

    def is_of_draws(self, column: Index) -> Mask:
        """Which columns are those of draws, and not of the observation alone."""
        return np.asarray(column % self.ordered.shape[1] < 2 * self.dims)

    @property
    def arrays(self) -> dict[str, Array]:
        """What it is made of, by name."""
        return {**self.given.arrays, "where": self.ordered}

    def __call__(self, x: Array, draws: Array) -> Array:
        """The columns of B observations, (B, ...) and (n, B, D) -> (B, 2 V), those of degree 1
        first; zero where a number is not finite."""
        numbers = _numbers(self.given, x, draws)
        known = np.isfinite(numbers)
        edge = 0.5 / len(self.ordered)
        place = below(self.ordered, np.where(known, numbers, 0.0)) / len(self.ordered)
        polynomials = legendre(np.clip(place, edge, 1 - edge))
        return np.concatenate([np.where(known, one, 0.0) for one in polynomials], 1)


def names(rows: Dataset, parameters: Sequence[str]) -> tuple[str, ...]:
    """What the columns are, in words."""
    kinds = ("mean", "width")
    of_draws = [f"the posterior {kind} of {name}" for kind in kinds for name in parameters]
    every = (*of_draws, *names_of(rows))
    return (*every, *(f"{name}, the ends against the middle" for name in every))


def _numbers(given: Given, x: Array, draws: Array) -> Array:
    """With shape (B, V)."""
    width = np.log(np.maximum(draws.std(0), np.finfo(float).tiny))
    return np.concatenate([draws.mean(0), width, given(x)], 1)


__all__ = ["Where", "names"]
