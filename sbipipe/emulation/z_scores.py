r"""How far the mean of a statistic is from that of true fields, in standard errors.

For a statistic S measured on m generated and on n true fields at the same theta, per component,

    z = (mean S_gen - mean S_true) / sqrt(var S_gen / m + var S_true / n),

whose rms is 1 for a perfect emulator, but for Student's tails and for true fields of one box, which
are not independent.
"""

from __future__ import annotations

import numpy as np

from sbipipe.emulation import spectra
from sbipipe.interfaces import Array, Fields, Geometry


def z_scores(a: Array, b: Array) -> Array:
    """z of the mean of a (m, L) from that of b (n, L); zero where neither varies."""
    error = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
    z = np.divide(a.mean(0) - b.mean(0), error, out=np.zeros_like(error), where=error > 0)
    return np.asarray(z)


def rms(values: Array) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def rms_z(generated: Array, true: Array) -> float:
    """The rms of z over theta, channels and wavenumbers, of the power of generated fields
    (T, m, C, *space) against true ones (T, n, C, *space): near 1 for a perfect emulator, and larger
    for every other.

    Returns:
        Infinity where a generated field is not finite.

    Raises:
        ValueError: If the two are for different theta.
    """
    if len(generated) != len(true):
        raise ValueError(f"generated: given {len(generated)} theta; allowed: {len(true)}, as true")
    if not np.isfinite(generated).all():
        return float("inf")
    channels = tuple(f"channel {c}" for c in range(true.shape[2]))
    data = Fields(geometry=Geometry(pixels=true.shape[3:]), channels=channels)
    pairs = zip(spectra.power(generated, data), spectra.power(true, data), strict=True)
    return float(np.sqrt(np.mean([z_scores(*pair) ** 2 for pair in pairs])))
