r"""The power of the gate: the smallest error of one parameter's width that its tests would find.

Tests are put to a D-dimensional Gaussian posterior of which a single parameter's width is wrong, by
a factor s = 1 - w or 1 + w, and all else is right: the worst case, since an error that all
parameters share adds up in the ranks of the density. With z the standardised truth, ranks are known
without a draw: Phi(z_1 / s) for that parameter, and P(D / 2, |z'|^2 / 2) for the density, with
z'_1 = z_1 / s and P the regularised incomplete gamma function. What is looked for is what SBC and
coverage do: the band of either rank, the Kolmogorov-Smirnov distance of the density's, and the
spread of the parameter's among those of all D.

A detection is a p-value below level / m, Holm's first step for all m tests that there are. The
power is the share of replicates in which some test detects. The smallest error, and the number of
simulations that an error asks for, are found by bisection.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from sbipipe.config import Gate
from sbipipe.gate import uniformity
from sbipipe.gate.verdict import Power
from sbipipe.interfaces import Array, Generator

LARGEST = 0.63
"""The largest error of the width that is looked at."""

MOST = 20_000
"""More simulations are not asked for."""


def smallest_width_error(
    *, n: int, dimension: int, tests: int, gate: Gate, rng: Generator
) -> Power:
    """What n simulations would find.

    Args:
        n: Number of test simulations.
        dimension: Number of parameters.
        tests: Number of tests that the level is corrected for.
        gate: The level, the error that must be found, and the probability of finding it.
    """
    power = _power(n=n, dimension=dimension, level=gate.level / tests, rng=rng)
    return Power(
        narrow=_smallest_error(lambda error: power(1 - error), gate.chance),
        wide=_smallest_error(lambda error: power(1 + error), gate.chance),
        needed=gate.width_error,
        chance=gate.chance,
    )


def simulations_needed(*, dimension: int, tests: int, gate: Gate, rng: Generator) -> int | None:
    """How many test simulations find the error that must be found, in steps of a hundredth.

    Args:
        dimension: Number of parameters.
        tests: Number of tests that the level is corrected for.
        gate: The level, the error that must be found, and the probability of finding it.

    Returns:
        None where it takes more than `MOST`.
    """
    seed = int(rng.integers(2**63))

    def suffices(n: int) -> bool:
        same = np.random.default_rng(seed)
        power = _power(n=n, dimension=dimension, level=gate.level / tests, rng=same)
        return min(power(1 - gate.width_error), power(1 + gate.width_error)) >= gate.chance

    low, high = 0, 100
    while not suffices(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high > 1.01 * low + 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def _power(*, n: int, dimension: int, level: float, rng: Generator) -> Callable[[float], float]:
    """The share of replicates in which a factor on one width is found."""
    replicates = int(np.clip(200_000 // n, 100, 400))
    z = rng.standard_normal((replicates, n))
    others = rng.chisquare(dimension - 1, (replicates, n)) if dimension > 1 else np.zeros(1)
    distance = uniformity.critical_distance(n, level)
    gamma = uniformity.critical_gamma(n, level)
    score = uniformity.critical_score(level, dimension)

    def power(scale: float) -> float:
        of_parameter = special.ndtr(z / scale)
        of_density = special.gammainc(dimension / 2, ((z / scale) ** 2 + others) / 2)
        found = np.abs(uniformity.spread_scores(of_parameter)) >= score
        found |= uniformity.ks_distance(of_density) >= distance
        for ranks in (of_density, of_parameter):
            found |= _gammas(ranks) <= gamma
        return float(found.mean())

    return power


def _smallest_error(power: Callable[[float], float], chance: float) -> float | None:
    """Smallest error, in per cent steps, that is found often enough."""
    low, high = 0, round(100 * LARGEST) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle / 100) >= chance else (middle, high)
    return high / 100 if high <= round(100 * LARGEST) else None


def _gammas(u: Array) -> Array:
    """gamma of each row, (R, N) -> (R,)."""
    replicates, n = u.shape
    steps = uniformity.STEPS
    index = np.minimum((u * steps).astype(np.int64), steps - 1)
    index += steps * np.arange(replicates)[:, None]
    counts = np.bincount(index.ravel(), minlength=replicates * steps).reshape(replicates, steps)
    return uniformity.lowest_tail(counts.cumsum(1)[:, :-1], n)
