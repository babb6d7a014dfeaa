r"""Do the draws of two parameters depend on each other as the posterior says?

Ranks of single parameters do not see their correlation. Test quantities of both do (Modrák et al.
2023, arXiv:2211.02383): with a and b the two parameters in standard deviations of the pool {truth,
draws} of each simulation, the ranks u+ of a + b and u- of a - b, the principal axes of every
correlation of the two, are uniform for an exact posterior. Where the truths are more correlated
than the draws, they lie at the ends of the sum and in the middle of the difference. So, with
f(u) = sqrt(5) (6 u^2 - 6 u + 1),

    z = sum_b c_b / sqrt(sum_b <c^2>_b),    c = f(u+) - f(u-),

where <.>_b is the mean over the members of the pool of simulation b, over which c has mean 0. An
error of both widths moves f(u+) and f(u-) together and leaves z alone. The statistic is the
largest |z| of all pairs, and its p-value comes from redrawn truths (`redraws`).

The curve is the difference of the empirical distributions of u+ and u- for the pair that shows
most. Its band holds the curve of the pair that shows most in each redraw with probability
`1 - level`.

A failed observation counts as a truth at the end of the sum and in the middle of the difference;
its c has the variance 2 of two independent ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sbipipe.gate import uniformity
from sbipipe.gate.redraws import Redraws, largest
from sbipipe.interfaces import Array, Curve, Generator, PosteriorDraws, Result
from sbipipe.legendre import legendre

LOST = (1.0, 0.5)
"""Ranks of a failed observation along the sum and along the difference."""


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two parameters in standard deviations of their pools.

    Attributes:
        a: The first, with shape (n + 1, B).
        b: The second, with the same shape.
        ranks: The ranks of all members along the sum and along the difference.
    """

    a: Array
    b: Array
    ranks: tuple[Array, Array]

    @classmethod
    def of(cls, a: Array, b: Array, redraws: Redraws) -> _Pair:
        """A pair and its ranks."""
        return cls(a=a, b=b, ranks=(redraws.ranks(a + b), redraws.ranks(a - b)))

    def z(self, redraws: Redraws) -> Array:
        """Of the truths and of the redrawn ones, with shape (R + 1,)."""
        (_, along), (_, across) = map(legendre, self.ranks)
        contrast = np.where(np.arange(len(along))[:, None] < redraws.size, along - across, 0.0)
        taken = redraws.take(contrast)
        (_, end), (_, middle) = (legendre(np.array(u)) for u in LOST)
        taken[0, redraws.failed] = end - middle
        variance = np.where(redraws.failed, 2.0, (contrast**2).sum(0) / redraws.size)
        return np.asarray(taken.sum(1) / np.sqrt(variance.sum()))

    def curves(self, redraws: Redraws) -> Array:
        """Difference of the two empirical distributions, with shape (R + 1, K + 1)."""
        found = []
        for ranks, lost in zip(self.ranks, LOST, strict=True):
            taken = redraws.take(ranks)
            taken[0, redraws.failed] = lost
            found.append(_ecdf(taken))
        return found[0] - found[1]


def correlations(draws: PosteriorDraws, level: float, rng: Generator) -> tuple[Result, ...]:
    """One result, "pairs", where there is more than one parameter."""
    if len(draws.parameters) < 2:
        return ()
    redraws = Redraws.of(draws, rng)
    members = [
        _standardised(redraws.pool(draws.draws[..., i], draws.theta[:, i]))
        for i in range(len(draws.parameters))
    ]
    z, curves, (i, j) = _search(members, redraws)
    statistic, p_value = largest(z)
    of_truths, of_draws = _correlations(members[i], members[j], redraws)
    numbers = {
        "correlation": of_truths,
        "correlation_drawn": of_draws,
        "failed": float(redraws.failed.sum()),
    }
    why = (
        f"about the posterior means, the truths of {draws.parameters[i]} and {draws.parameters[j]} "
        f"correlate by {of_truths:.2f}, the draws by {of_draws:.2f}"
    )
    return (
        Result(
            test="pairs",
            statistic=statistic,
            p_value=p_value,
            curve=_curve(curves, level),
            why=why,
            numbers=numbers,
        ),
    )


def _search(members: Sequence[Array], redraws: Redraws) -> tuple[Array, Array, tuple[int, int]]:
    """z of the pair that shows most for the truths and in each redraw, its curve, and the pair
    that shows most for the truths; pairs are many, and only one at a time is held."""
    z, worst = np.zeros(len(redraws.taken)), (0, 1)
    curves = np.zeros((len(z), uniformity.STEPS + 1))
    for i, j in combinations(range(len(members)), 2):
        pair = _Pair.of(members[i], members[j], redraws)
        found = pair.z(redraws)
        larger = np.abs(found) > np.abs(z)
        curves[larger] = pair.curves(redraws)[larger]
        z = np.where(larger, found, z)
        worst = (i, j) if larger[0] else worst
    return z, curves, worst


def _standardised(pool: Array) -> Array:
    """Members in standard deviations of their pool, with shape (n + 1, B)."""
    known = np.isfinite(pool)
    count = np.maximum(known.sum(0), 1)
    centred = pool - np.where(known, pool, 0.0).sum(0) / count
    variance = np.where(known, centred**2, 0.0).sum(0) / count
    return np.asarray(centred / np.sqrt(np.where(variance > 0, variance, 1.0)))


def _correlations(a: Array, b: Array, redraws: Redraws) -> tuple[float, float]:
    """The correlation of the truths about the means of their pools, and that of the pools; zero
    where all observations failed."""
    kept = ~redraws.failed

    def correlation(x: Array, y: Array) -> float:
        scale = np.sqrt(np.nansum(x**2) * np.nansum(y**2))
        return float(np.nansum(x * y) / scale) if scale > 0 else 0.0

    at_truth = (redraws.at_truth(values)[kept] for values in (a, b))
    return correlation(*at_truth), correlation(a[:, kept], b[:, kept])


def _ecdf(u: Array) -> Array:
    """Empirical distribution of each row on the grid, (R, N) -> (R, K + 1)."""
    steps, (rows, n) = uniformity.STEPS, u.shape
    place = np.clip(np.ceil(u * steps).astype(np.int64), 0, steps)
    place += (steps + 1) * np.arange(rows)[:, None]
    counts = np.bincount(place.ravel(), minlength=rows * (steps + 1)).reshape(rows, -1)
    return np.asarray(counts.cumsum(1) / n)


def _curve(curves: Array, level: float) -> Curve:
    grid = uniformity.GRID
    edge = float(np.quantile(np.abs(curves[1:]).max(1), 1 - level))
    return Curve(
        x=tuple(grid.tolist()),
        y=tuple(curves[0].tolist()),
        ideal=tuple(0 * grid),
        lower=tuple(0 * grid - edge),
        upper=tuple(0 * grid + edge),
        x_label="rank of the truth, as a share of the draws",
        y_label="cumulative share by sum minus that by difference",
    )
