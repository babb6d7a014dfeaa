r"""How wide each parameter's posterior is, and where it lies, against where it should.

A posterior with the mean m and the standard deviation w whose width is wrong by the factor s, and
which lies b of its own widths too high, is mended by theta -> m + (theta - m) / s - b w. Then ranks
are uniform: the rank of the truth among the mended draws is that of its preimage among the draws
themselves. So s and b are found where the ranks' mean is 1/2 and their variance 1/12, whatever the
shape of the posteriors. Under the null

    sqrt(12 N) (mean u - 1/2)   and   sqrt(5 N / 4) (12 var u - 1)

tend to standard normals, independent of each other; the interval of b holds what the first, and
that of s what the second does not reject. Observations that could not be sampled are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy

from sbipipe.gate import uniformity
from sbipipe.gate.verdict import Interval, Margin
from sbipipe.interfaces import Array, Generator, Index, PosteriorDraws

CONFIDENCE = 0.95
"""The probability with which an interval holds the true value."""

LARGEST_FACTOR = 20.0
"""Widths are sought within this factor of the right one."""

LARGEST_BIAS = 20.0
"""Displacements are sought up to so many widths."""

_STEPS = 16
_ROUNDS = 3


def margins(draws: PosteriorDraws, rng: Generator) -> Mapping[str, Margin]:
    """The errors of each parameter, NaN where fewer than two observations could be sampled."""
    kept = ~uniformity.failed(draws)
    size = uniformity.effective_draws(draws)[kept]
    jitter = rng.random(len(size))
    return {
        name: _margin(_Column.of(draws.draws[:, kept, i], size, jitter), draws.theta[kept, i])
        for i, name in enumerate(draws.parameters)
    }


def _margin(column: _Column, theta: Array) -> Margin:
    """The errors of a parameter's posteriors, from its draws and its truths (B,)."""
    if len(theta) < 2:
        lost = Interval(value=np.nan, low=np.nan, high=np.nan)
        return Margin(width=lost, bias=lost)

    def ranks(log_factor: float, bias: float) -> Array:
        away = theta + bias * column.width - column.mean
        return column.ranks(column.mean + away * np.exp(log_factor))

    def place(log_factor: float, bias: float) -> float:
        return uniformity.bias(ranks(log_factor, bias)) * float(np.sqrt(len(theta)))

    def spread(bias: float, log_factor: float) -> float:
        return float(uniformity.spread_scores(ranks(log_factor, bias)))

    log_factor, bias, factors = 0.0, 0.0, float(np.log(LARGEST_FACTOR))
    for _ in range(_ROUNDS):
        bias = _where(partial(place, log_factor), LARGEST_BIAS)
        log_factor = _where(partial(spread, bias), factors)
    z = float(scipy.stats.norm.isf((1 - CONFIDENCE) / 2))
    low, high = (_where(partial(spread, bias), factors, score) for score in (-z, z))
    left, right = (_where(partial(place, log_factor), LARGEST_BIAS, score) for score in (-z, z))
    return Margin(
        width=Interval(value=np.exp(log_factor), low=np.exp(low), high=np.exp(high)),
        bias=Interval(value=bias, low=left, high=right),
    )


@dataclass(frozen=True, kw_only=True)
class _Column:
    """The draws of one parameter, sorted, so that ranks among them are quickly found.

    Each posterior's draws lie in [2 b, 2 b + 1] of one line, those that do not count beyond them.
    """

    mean: Array
    width: Array
    low: Array
    side: Array
    size: Index
    jitter: Array
    line: Array

    @classmethod
    def of(cls, draws: Array, size: Index, jitter: Array) -> _Column:
        """Of draws (n, B), of which the first `size` (B,) count."""
        draws = np.asarray(draws, np.float64)
        low = draws.min(0)
        side = np.maximum(draws.max(0) - low, np.finfo(np.float64).tiny)
        counted = np.arange(len(draws))[:, None] < size
        place = np.where(counted, (draws - low) / side, 1.75) + 2.0 * np.arange(len(size))
        return cls(
            mean=draws.mean(0),
            width=draws.std(0),
            low=low,
            side=side,
            size=size,
            jitter=jitter,
            line=np.asarray(np.sort(place, 0).T.ravel(), np.float64),
        )

    def ranks(self, values: Array) -> Array:
        """Randomised ranks of values (B,) among the draws of their observation."""
        index = np.arange(len(values))
        place = np.clip((values - self.low) / self.side, -0.2, 1.2) + 2 * index
        below = np.searchsorted(self.line, place) - index * (len(self.line) // len(values))
        return np.asarray((below + self.jitter) / (self.size + 1))


def _where(rising: Callable[[float], float], largest: float, height: float = 0.0) -> float:
    """Where a rising step function passes a height, within this distance of zero, by bisection."""
    low, high = -largest, largest
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) >= height else (middle, high)
    return (low + high) / 2
