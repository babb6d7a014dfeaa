"""A guess at the prior that parameters were drawn from, for a person to confirm.

A parameter may be uniform between two numbers, or uniform in its logarithm. These are taken to be
the roundest that lie outside all values, by no more than `SLACK` times the mean distance of two of
them, or by half a step of a grid. The test of declared priors (`sets.declared`) then says whether
its values, and every two parameters together, are likely. Where one is not, the prior is
`as_drawn`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from sbipipe.interfaces import Array, Index
from sbipipe.sets.declared import margin_p_value, pair_p_value, scores, simulated

LEVEL = 1e-3
"""The probability, over all that is tested, with which a right guess is not made."""

SLACK = 5.0
"""The distance of an edge from the outermost value, in mean distances: farther 1 time in 150."""


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A prior as `params.yaml` writes it.

    Attributes:
        prior: The plain values.
        why: What speaks against a prior of independent parameters; empty where it was guessed.
    """

    prior: Mapping[str, Any]
    why: tuple[str, ...]

    @property
    def marginals(self) -> Mapping[str, Any]:
        """That of each parameter, or what bounds it."""
        found: Mapping[str, Any] = self.prior["within"] if self.why else self.prior
        return found


def guess(theta: Array, group: Index, names: tuple[str, ...]) -> Guess:
    """The prior of rows (N, D) of simulations (N,)."""
    theta, distinct = simulated(theta, group)
    tests = len(names) * (len(names) + 1) // 2
    marginals = {
        name: _marginal(column, distinct, LEVEL / tests)
        for name, column in zip(names, theta.T, strict=True)
    }
    degree = 2 if distinct >= 2 * len(names) ** 2 else 1
    polynomials = [scores(column, degree) for column in theta.T]
    why = [f"{name} is not uniform" for name, found in marginals.items() if found is None]
    why += [
        f"{names[i]} and {names[j]} depend on each other"
        for i, j in combinations(range(len(names)), 2)
        if pair_p_value(polynomials[i], polynomials[j], distinct) < LEVEL / tests
    ]
    written = {
        name: found or _normal(column)
        for (name, found), column in zip(marginals.items(), theta.T, strict=True)
    }
    prior = {"kind": "as_drawn", "within": written} if why else written
    return Guess(prior=prior, why=tuple(why))


def _marginal(values: Array, distinct: int, level: float) -> dict[str, Any] | None:
    """The uniform or log-uniform distribution that values (S,) may come from, if one is likely; one
    value is fixed."""
    if values.min() == values.max():
        return {"kind": "fixed", "value": float(values[0])}
    low, high = _edges(values)
    if margin_p_value((values - low) / (high - low), distinct) >= level:
        return {"kind": "uniform", "low": low, "high": high}
    if values.min() <= 0:
        return None
    low, high = _edges(np.log(values), math.exp)
    if margin_p_value(np.log(values / low) / math.log(high / low), distinct) >= level:
        return {"kind": "log_uniform", "low": low, "high": high}
    return None


def _normal(values: Array) -> dict[str, Any]:
    """Where a parameter lies, without an edge."""
    loc, scale = (float(f"{number:.3g}") for number in (values.mean(), values.std()))
    return {"kind": "normal", "loc": loc, "scale": scale}


def _edges(values: Array, back: Callable[[float], float] = float) -> tuple[float, float]:
    """The edges of values (S,), taken back to parameters, where they are the roundest."""
    different = np.unique(values)
    if len(different) <= len(values) / 2:  # a grid
        step = float(np.median(np.diff(different)))
        near, far = step / 4, step / 2
    else:
        near, far = 0.0, SLACK * float(np.ptp(values)) / len(values)
    low = roundest(back(different[0] - far), back(different[0] - near))
    return low, roundest(back(different[-1] + near), back(different[-1] + far))


def roundest(low: float, high: float) -> float:
    """The number in [low, high] with the fewest digits."""
    if low <= 0 <= high:
        return 0.0
    exponent = math.floor(math.log10(max(abs(low), abs(high)))) + 1
    while True:
        step = 10.0**exponent
        found = round(math.ceil(low / step) * step, max(0, -exponent))
        if low <= found <= high or step < 1e-15 * abs(high):
            return float(found if low <= found <= high else low)
        exponent -= 1


__all__ = ["Guess", "guess", "roundest"]
