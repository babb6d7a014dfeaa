"""Power of the fields of several theta."""

from __future__ import annotations

from sbipipe.interfaces import Array, Fields
from sbipipe.statistics.power_spectrum import PowerSpectrum


def power(x: Array, data: Fields) -> Array:
    """P(k) of fields (A, B, C, *space) in K bins, with shape (A, B, C * K): one channel after the
    other."""
    rows = x.reshape(-1, *x.shape[2:])
    return PowerSpectrum.whole(data).measure(rows, data).reshape(*x.shape[:2], -1)


def wavenumbers(data: Fields) -> Array:
    """The mean wavenumber of the modes of each bin, with shape (K,) [`data.geometry.k_unit`]."""
    return PowerSpectrum.whole(data).axes(data)[0].x
