"""Power of the fields of several theta."""

from __future__ import annotations

import numpy as np

from sbipipe.emulation.z_scores import z_scores
from sbipipe.interfaces import Array, Fields, Geometry
from sbipipe.statistics.power_spectrum import PowerSpectrum


def power(x: Array, data: Fields) -> Array:
    """P(k) of fields (A, B, C, *space) in K bins, with shape (A, B, C * K): one channel after the
    other."""
    rows = x.reshape(-1, *x.shape[2:])
    return PowerSpectrum.whole(data).measure(rows, data).reshape(*x.shape[:2], -1)


def wavenumbers(data: Fields) -> Array:
    """The mean wavenumber of the modes of each bin, with shape (K,) [`data.geometry.k_unit`]."""
    return PowerSpectrum.whole(data).axes(data)[0].x


def rms_z(generated: Array, true: Array) -> float:
    """The rms of z over theta, channels and wavenumbers, of the power of generated periodic fields
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
    pairs = zip(power(generated, data), power(true, data), strict=True)
    return float(np.sqrt(np.mean([z_scores(*pair) ** 2 for pair in pairs])))
