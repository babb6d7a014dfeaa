r"""The Fourier modes of a field gathered into bands of wavenumber, in any dimension.

k counts cycles along a side, k = |(i_1, ..., i_d)| with integers i, so that the fundamental mode
has k = 1. The transform of a real field stores half of its modes; the others are their complex
conjugates, so each stored mode counts twice, but for those of i_d = 0 and, on an even grid, of
i_d = n/2, which are stored in full. Fields that are not periodic come tapered (`physics.taper`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sbipipe.interfaces import Array, Fields, Index
from sbipipe.records import InputError

SMALLEST = 4
"""Pixels on a side, below which there is hardly a mode."""


def obstacle(data: Fields) -> str:
    """Why these fields have no isotropic spectrum; empty where they have one."""
    grid = data.geometry
    if not grid.square or grid.pixels[0] < SMALLEST:
        sides = " x ".join(map(str, grid.pixels))
        return f"given {sides} pixels; allowed: equal sides of at least {SMALLEST}"
    return ""


@cache
def squares(n: int, d: int) -> Index:
    """k^2 of every stored mode, with shape (n, ..., n, n // 2 + 1)."""
    whole = np.rint(np.fft.fftfreq(n, 1 / n)).astype(np.int64) ** 2
    half = np.arange(n // 2 + 1) ** 2
    grid = np.meshgrid(*[whole] * (d - 1), half, indexing="ij")
    return np.asarray(sum(grid, start=np.int64(0)))


@cache
def times(n: int, d: int) -> Array:
    """How many modes each stored mode stands for, with the shape of `squares`."""
    last = np.full(n // 2 + 1, 2.0)
    last[0] = 1
    if n % 2 == 0:
        last[-1] = 1
    return np.broadcast_to(last, squares(n, d).shape)


def modes(field: Array) -> NDArray[np.complex128]:
    """F_k of every stored mode of a field (n, ..., n) less its mean, as numpy's `rfftn`."""
    double = field.astype(np.float64)
    return np.asarray(np.fft.rfftn(double - double.mean()))


def squared_modes(field: Array) -> Array:
    """|F_k|^2 of every stored mode of a field (n, ..., n) less its mean."""
    return np.asarray(np.abs(modes(field)) ** 2)


def mean_squared_modes(fields: Array) -> Array:
    """|F_k|^2, averaged over fields (N, n, ..., n) and over the modes of equal k.

    Raises:
        InputError: If no field varies.
    """
    n, d = fields.shape[-1], fields.ndim - 1
    power = np.zeros(squares(n, d).shape)
    for field in fields:
        power += squared_modes(field) / len(fields)
    shell, weight = squares(n, d).ravel(), times(n, d).ravel()
    modes = np.bincount(shell, weight)
    mean = np.bincount(shell, weight * power.ravel()) / np.where(modes > 0, modes, 1)
    if not mean.any():
        raise InputError(
            f"fields: given {fields.flat[0]:g} nearly everywhere; allowed: fields that vary"
        )
    return np.asarray(mean[squares(n, d)])


@dataclass(frozen=True)
class Bands:
    """Bands of k on a grid of side n in d dimensions; the upper edge belongs to its band.

    Attributes:
        band: The band of every stored mode, counted from 1.
        weight: The share that every stored mode has in the mean of its band.
        count: The number of bands.
    """

    band: Index
    weight: Array
    count: int

    @classmethod
    def of(cls, edges: Array, n: int, d: int) -> Bands:
        """The bands between edges, in cycles along a side."""
        band = np.searchsorted(edges, np.sqrt(squares(n, d)).ravel(), side="left")
        stands_for = times(n, d).ravel()
        modes = np.bincount(band, stands_for, len(edges) + 1)
        return cls(band, stands_for / modes[band], len(edges) - 1)

    def mean(self, values: Array) -> Array:
        """The mean over the modes of each band, of values on the stored modes."""
        sums = np.bincount(self.band, self.weight * values.ravel(), self.count + 2)
        return np.asarray(sums[1:-1])


def inverse(values: Array) -> Array:
    """1 / values, and zero where they are zero."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
