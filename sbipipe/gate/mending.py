r"""What is left of a rejection once the best shift and the best width are taken out of the ranks.

A Gaussian posterior that is displaced and s times as wide as it should be gives ranks u whose
normal scores Phi^-1(u) are Gaussian with another mean and the standard deviation 1 / s. The ranks

    u' = Phi((Phi^-1(u) - a) / b)

with a and b such that u' has the mean 1/2 and the variance 1/12 of a uniform are those of the same
posterior, mended. Ranks that grow from the densest point outwards are P(D / 2, q / 2), the
regularised incomplete gamma function of a squared distance q, and are mended by q / b^2 alone, to
the mean 1/2.

How far ranks stray is measured by Neyman's (1937) smooth statistic, the sum over the first K
Legendre polynomials of N c_k^2 - 1 with c_k the mean of the k-th, orthonormal on [0, 1]; with K
added it tends to a chi-squared of K degrees of freedom. What shift and width cannot mend is an
error of shape. Observations that could not be sampled have no part in it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from scipy import optimize, special

from sbipipe.gate import uniformity
from sbipipe.gate.verdict import Shape
from sbipipe.interfaces import Array

ORDER = 8
"""K: the Legendre polynomials that ranks are compared with."""

_FARTHEST = 20.0
"""Shifts and logarithms of widths are sought within this distance of none."""


def shape(ranks: Array, dimension: int, *, outwards: bool) -> Shape:
    """What shift and width leave of the ranks of some simulations, with shape (N,).

    Args:
        dimension: The number of parameters.
        outwards: Whether ranks grow from the densest point outwards.
    """
    edge = 0.5 / len(ranks)
    inner = np.clip(ranks, edge, 1 - edge)
    mended = _outwards(inner, dimension) if outwards else _sideways(inner)
    before = strays(ranks)
    away = uniformity.ecdf(mended) - uniformity.GRID
    worst = int(np.abs(away).argmax())
    return Shape(
        outwards=outwards,
        p_value=float(scipy.stats.chi2.sf(before + ORDER, ORDER)),
        left=max(0.0, strays(mended)) / before if before > 0 else 1.0,
        rank=float(uniformity.GRID[worst]),
        share=float(uniformity.GRID[worst] + away[worst]),
    )


def strays(ranks: Array) -> float:
    """Neyman's smooth statistic less its mean under the null."""
    legendre = (
        np.sqrt(2 * k + 1) * special.eval_legendre(k, 2 * ranks - 1) for k in range(1, ORDER + 1)
    )
    return float(sum(len(ranks) * np.mean(values) ** 2 - 1 for values in legendre))


def _sideways(ranks: Array) -> Array:
    scores = special.ndtri(ranks)

    def mended(width: float) -> Array:
        centre = _root(lambda a: 0.5 - float(np.mean(special.ndtr((scores - a) / width))))
        return np.asarray(special.ndtr((scores - centre) / width))

    width = _root(lambda b: 1 - uniformity.dispersion(mended(np.exp(b))), largest=3.0)
    return mended(np.exp(width))


def _outwards(ranks: Array, dimension: int) -> Array:
    distance = special.gammaincinv(dimension / 2, ranks)

    def mended(width: float) -> Array:
        return np.asarray(special.gammainc(dimension / 2, distance * np.exp(-2 * width)))

    return mended(_root(lambda b: 0.5 - float(np.mean(mended(b)))))


def _root(rising: Callable[[float], float], largest: float = _FARTHEST) -> float:
    """Where a rising function changes its sign, or the end of the range that is nearer to it."""
    if rising(-largest) >= 0:
        return -largest
    if rising(largest) <= 0:
        return largest
    return float(optimize.brentq(rising, -largest, largest, xtol=1e-6))
