r"""The reduced chi-squared of the power of one field against true ones, and its null.

The reduced chi-squared of a field s against n true fields at the same theta, in K bins of k, is
(Mudur, Cuesta-Lazaro & Finkbeiner 2023, section 2)

    chi2_r(s) = 1/(K - 1) sum_k (P_s(k) - m(k))^2 / v(k),

with the mean m and the unbiased variance v of the n true spectra. Were P(k) Gaussian with mean mu
and variance s^2 in every bin, and s one more true field, then P_s - m ~ N(0, s^2 (1 + 1/n)), and
independently of it (n - 1) v / s^2 ~ chi^2 with n - 1 degrees of freedom, for which
E[s^2 / v] = (n - 1)/(n - 3). So each bin contributes the product of the two, and

    E[chi2_r] = (1 + 1/n) (n - 1)/(n - 3) K/(K - 1):

1.254 for n = 15 and K = 128, 1.276 for n = 14. A mean asks for no independence, so correlated bins
do not change it. Two things do: P(k) of few modes is skewed, and the fields of one box are not
independent. `leave_one_out` measures the first on the true fields themselves, but not the second:
the fields of one box resemble each other more than those of any other, however true.

**It has one side only.** Fields of too little power scatter less, too: on maps of 16 x 16 pixels a
sigma_8 that is 10 % too low comes out below the truth. So the best ratio is not the lowest but the
one nearest to that of true fields, and beside it stands `spectra.rms_z`, which grows either way.

Fields of C channels have C K bins, one channel after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sbipipe.interfaces import Array

FEWEST = 8
"""True fields at one theta, for a null in each half of them (it takes 4)."""


def null(references: int, bins: int) -> float:
    """E[chi2_r] of a true field, were its power Gaussian.

    Raises:
        ValueError: If it is infinite, with fewer than four references.
    """
    n, K = references, bins
    if n < 4:
        raise ValueError(f"references: given {n}; allowed: at least 4")
    return (1 + 1 / n) * (n - 1) / (n - 3) * K / (K - 1)


def reduced_chi_squared(power: Array, reference: Array) -> Array:
    """chi2_r of spectra (..., K) against reference spectra (n, K), with shape (...)."""
    mean, variance = reference.mean(0), reference.var(0, ddof=1)
    return np.asarray(((power - mean) ** 2 / variance).sum(-1) / (power.shape[-1] - 1))


def leave_one_out(power: Array, reference: Array) -> Array:
    """chi2_r of the j-th spectrum against all references but the j-th, with shape (n,).

    Args:
        power: With shape (n, K) or longer; `reference` itself measures the null.
        reference: With shape (n, K).
    """
    others = (np.delete(reference, j, 0) for j in range(len(reference)))
    pairs = zip(power, others, strict=False)
    return np.array([reduced_chi_squared(one, rest) for one, rest in pairs])


class Mean(NamedTuple):
    """A mean and its standard error."""

    mean: float
    se: float


def mean_of_clusters(values: Array) -> Mean:
    """Over theta (T, m); the fields of one theta share their reference, so theta are counted."""
    means = values.mean(1)
    return Mean(float(means.mean()), _standard_error(means))


def ratio_of_clusters(a: Array, b: Array) -> Mean:
    """mean(a) / mean(b) of values (T, m) and (T, n) at the same theta, by the delta method."""
    top, bottom = a.mean(1), b.mean(1)
    ratio = float(top.mean() / bottom.mean())
    return Mean(ratio, _standard_error(top - ratio * bottom) / float(bottom.mean()))


def _standard_error(values: Array) -> float:
    """Zero for a single value, which has none."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
