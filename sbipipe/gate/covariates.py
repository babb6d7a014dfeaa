r"""Where a posterior may be wrong: functions of each simulation that leave exact ranks uniform.

They are symmetric functions of the pool {truth, draws} (see `redraws`), the mean and the log of the
standard deviation of each parameter, and what the estimator is given of the observation. A mean or
a width of the *draws* alone would not do: where the draws lie high, the truth's rank is low.

Each covariate v enters by its ranks, as the Legendre polynomials of degree 0, 1 and 2 of
(rank - 1/2) / B: a constant, its course, and its middle against its ends. Each column has mean
square 1, so that with independent scores of variance 1, sum_b score_b column_b / sqrt(B) has
variance 1. A covariate that does not vary is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy

from sbipipe.gate.redraws import Redraws
from sbipipe.interfaces import Array, Mask, PosteriorDraws
from sbipipe.legendre import legendre


@dataclass(frozen=True, kw_only=True)
class Covariate:
    """A number of each simulation.

    Attributes:
        name: The quantity in words.
        values: The number of each simulation, with shape (B,); NaN where it is not known.
    """

    name: str
    values: Array


@dataclass(frozen=True, kw_only=True)
class Region:
    """Some of the simulations, and the words for which.

    Attributes:
        words: The words that follow "where", or nothing for all simulations.
        inside: The simulations in the region, with shape (B,).
        outside: The other simulations whose covariate is known, with shape (B,).
    """

    words: str
    inside: Mask
    outside: Mask


@dataclass(frozen=True, kw_only=True)
class Column:
    """One polynomial of one covariate.

    Attributes:
        of: The covariate; None for the constant.
        degree: The degree of the polynomial.
        values: The polynomial of each simulation, with shape (B,), of mean square 1.
    """

    of: Covariate | None
    degree: int
    values: Array

    def regions(self) -> tuple[Region, ...]:
        """The two regions that it tells apart; for the constant, all there is."""
        if self.of is None:
            everything = np.ones(len(self.values), bool)
            return (Region(words="", inside=everything, outside=~everything),)
        middle_and_ends = _middle_and_ends(self.of)
        told = self.degree == 2 and all(region.inside.any() for region in middle_and_ends)
        return middle_and_ends if told else _sides(self.of)


def columns(draws: PosteriorDraws, redraws: Redraws) -> tuple[Column, ...]:
    """The constant, and two polynomials of every covariate that varies."""
    constant = Column(of=None, degree=0, values=np.ones(len(draws.theta)))
    found = (column for one in covariates(draws, redraws) for column in _polynomials(one))
    return (constant, *found)


def covariates(draws: PosteriorDraws, redraws: Redraws) -> Iterator[Covariate]:
    """The means and widths of the pools, and what the estimator is given."""
    failed = redraws.failed
    for i, name in enumerate(draws.parameters):
        pool = redraws.pool(draws.draws[..., i], draws.theta[:, i])[:, ~failed]
        for what, statistic in (("mean", np.nanmean), ("width", np.nanstd)):
            values = np.full(len(failed), np.nan)
            values[~failed] = statistic(pool, axis=0)
            yield Covariate(name=f"the posterior {what} of {name}", values=values)
    for name, values in draws.given.items():
        yield Covariate(name=name, values=np.asarray(values, np.float64))


def _polynomials(covariate: Covariate) -> Iterator[Column]:
    known = np.isfinite(covariate.values)
    if len(np.unique(covariate.values[known])) < 2:
        return
    place = (scipy.stats.rankdata(covariate.values[known]) - 0.5) / known.sum()
    for degree, polynomial in enumerate(legendre(place), 1):
        values = np.zeros(len(known))
        values[known] = polynomial - polynomial.mean()
        scale = np.sqrt(np.mean(values**2))
        if scale > 1e-6:
            yield Column(of=covariate, degree=degree, values=values / scale)


def _sides(covariate: Covariate) -> tuple[Region, ...]:
    """Above and below the median."""
    values = covariate.values
    median = np.nanmedian(values)
    above = values > median if np.any(values > median) else values >= median
    below = np.isfinite(values) & ~above
    limit = f"{values[above].min():.3g}"
    return (
        Region(words=f"{covariate.name} is {limit} or more", inside=above, outside=below),
        Region(words=f"{covariate.name} is below {limit}", inside=below, outside=above),
    )


def _middle_and_ends(covariate: Covariate) -> tuple[Region, ...]:
    """Between the quartiles, and outside them."""
    values = covariate.values
    low, high = np.nanquantile(values, [0.25, 0.75])
    middle = (values >= low) & (values <= high)
    ends = np.isfinite(values) & ~middle
    between, name = f"{low:.3g} to {high:.3g}", covariate.name
    return (
        Region(words=f"{name} is in the range {between}", inside=middle, outside=ends),
        Region(words=f"{name} is outside the range {between}", inside=ends, outside=middle),
    )
