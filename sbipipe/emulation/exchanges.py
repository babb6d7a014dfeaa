r"""Tests of two samples by exchanging whole simulations.

The fields of one simulation resemble each other, so neither formula nor exchange of single fields
gives the null distribution of a statistic T of two samples. But simulations are independent: were
both samples of one distribution, each division of the 2 G simulations into two halves would be as
likely as the one at hand. So T is computed for `EXCHANGES` random divisions as well, and

    p = (1 + #{T_i >= T_0}) / (1 + #{i}).

Generated fields are independent, where true ones of one simulation are not; exchanged in parts as
large as a simulation, and as many of them, they leave the test right for large G, since with equal
numbers the variance of a difference of means is the same under exchange (Romano 1990, JASA 85, 686;
Chung & Romano 2013, arXiv:1304.5939).
"""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Array, Generator, Index

EXCHANGES = 499
"""Random divisions: the least p is 0.002."""

NEAR = 1e-9
"""Relative difference, below which two values of a statistic are the same."""


def divisions(simulations: int, rng: Generator, count: int = EXCHANGES) -> Index:
    """Signs (1 + count, 2 * simulations): 1 of the first sample and -1 of the second; the first row
    is the division at hand."""
    own = np.repeat([1, -1], simulations)
    return np.stack([own, *(rng.permutation(own) for _ in range(count))]).astype(np.int8)


def p_values(found: Array) -> Array:
    """Of statistics (1 + count, ...), the first row of which is of the division at hand, (...)."""
    return np.asarray((found >= found[:1] - NEAR * np.abs(found[:1])).mean(0))


def p_of_largest(found: Array) -> float:
    """Of the largest of several statistics (1 + count, L), each in units of its own scatter."""
    scatter = found.std(0)
    units = np.full_like(found, -np.inf)
    np.divide(found - found.mean(0), scatter, out=units, where=scatter > 0)
    return float(p_values(units.max(1)))


__all__ = ["EXCHANGES", "divisions", "p_of_largest", "p_values"]
