r"""The power of the gate: the smallest error of the width that its tests would find.

The tests of rank and coverage are put to a D-dimensional Gaussian whose width is wrong by a factor
s = 1 - w or 1 + w. With z the standardised truth, its ranks are known without a draw: Phi(z_i / s)
for parameter i, and P(D / 2, |z|^2 / 2 s^2), the regularised incomplete gamma function, for the
density. A detection is a p-value below level / m, Holm's first step for m tests. The power is the
share of replicates in which some test detects, and the smallest error is found by bisection.
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
    level = gate.level / tests
    replicates = int(np.clip(200_000 // (n * dimension), 100, 300))
    z = rng.standard_normal((dimension, replicates, n))
    radius = (z**2).sum(0)
    distance = uniformity.critical_distance(n, level)
    gamma = uniformity.critical_gamma(n, level)

    def power(scale: float) -> float:
        u = special.gammainc(dimension / 2, radius / scale**2 / 2)
        found = uniformity.ks_distance(u) >= distance
        for v in (u, *special.ndtr(z / scale)):
            found |= _gammas(v) <= gamma
        return float(found.mean())

    return Power(
        narrow=_smallest(lambda error: power(1 - error), gate.chance),
        wide=_smallest(lambda error: power(1 + error), gate.chance),
        needed=gate.width_error,
        chance=gate.chance,
    )


def _smallest(power: Callable[[float], float], chance: float) -> float | None:
    """Smallest error, in per cent steps, that is found often enough (by bisection)."""
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
