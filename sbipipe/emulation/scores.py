r"""Whether emulated fields have the power of true ones: reduced chi-squared beside its null.

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
sigma_8 that is 10 % too low scores better than the truth. So the best ratio is not the lowest but
the one nearest to that of true fields, and beside it stands `rms_z`, which grows either way.

Fields of C channels have C K bins, one channel after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.physics import fields

FEWEST = 8
"""True fields at one theta, for a null in each half of them (it takes 4)."""


class Mean(NamedTuple):
    """A mean and its standard error."""

    mean: float
    se: float


def spectra(x: Array, box: float | None) -> tuple[Array, Array]:
    """k of every bin (K,) and the power of fields (A, B, C, *space), with shape (A, B, C * K).

    Args:
        box: Side [Mpc/h]; without one, k counts cycles per map and the map's side is 1.
    """
    found = [
        fields.power_spectrum(block, box or 1.0, dimensions=x.ndim - 3) for block in x
    ]  # one block at a time bounds the memory of the transforms
    power = np.stack([one.power for one in found])
    return found[0].k if box else found[0].k / (2 * np.pi), power.reshape(*x.shape[:2], -1)


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


def chi_squared_ratio(generated: Array, true: Array, box: float | None = None) -> float:
    """Mean chi2_r of generated fields over its Gaussian null: 1 for a perfect emulator, and above
    or below it for others.

    Skewed power and dependent true fields raise it, by the same factor for every checkpoint of an
    emulator: for maps of 32 x 32 pixels, true fields of other boxes score 1.5 against the 15 maps
    of one box of `particle_mesh`. `validation.validate` measures that factor.

    Args:
        generated: With shape (T, m, C, *space), for T values of theta.
        true: At the same theta, with shape (T, n, C, *space); n at least 4.
        box: Side [Mpc/h]; the ratio does not depend on it.

    Returns:
        Infinity where a generated field is not finite.

    Raises:
        ValueError: If the two are for different theta, or n is below 4.
    """
    _check_theta(generated, true)
    if not np.isfinite(generated).all():
        return float("inf")
    (_, drawn), (_, reference) = spectra(generated, box), spectra(true, box)
    pairs = zip(drawn, reference, strict=True)
    mean = np.mean([reduced_chi_squared(power, of).mean() for power, of in pairs])
    return float(mean / null(true.shape[1], drawn.shape[-1]))


def rms_z(generated: Array, true: Array, box: float | None = None) -> float:
    """rms over theta and k of how far the mean spectrum of generated fields (T, m, C, *space) is
    from that of true ones (T, n, C, *space), in standard errors: near 1 for a perfect emulator,
    and larger for every other.

    Returns:
        Infinity where a generated field is not finite.

    Raises:
        ValueError: If the two are for different theta.
    """
    _check_theta(generated, true)
    if not np.isfinite(generated).all():
        return float("inf")
    pairs = zip(spectra(generated, box)[1], spectra(true, box)[1], strict=True)
    return float(np.sqrt(np.mean([z_scores(*pair) ** 2 for pair in pairs])))


def z_scores(a: Array, b: Array) -> Array:
    """z of the mean of a (m, L) from that of b (n, L); zero where neither varies."""
    error = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
    z = np.divide(a.mean(0) - b.mean(0), error, out=np.zeros_like(error), where=error > 0)
    return np.asarray(z)


def _check_theta(generated: Array, true: Array) -> None:
    if len(generated) != len(true):
        raise ValueError(f"generated: given {len(generated)} theta; allowed: {len(true)}, as true")


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
