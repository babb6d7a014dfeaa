r"""Mathematics of periodic fields: wavenumbers, Gaussian synthesis, power spectra.

A field f in d dimensions lies on a grid of side `box` [Mpc/h] with n points a side, so a cell has
the volume a = (box/n)^d and the box V = box^d. Fourier convention:

    f(k) = a sum_x f(x) exp(-i k x),     f(x) = 1/V sum_k f(k) exp(i k x),
    k = 2 pi/box (i_1, ..., i_d),        <|f(k)|^2> = V P(k),

so the variance is sum_k P(k) / V, white noise of variance s^2 has P = a s^2, and Parseval's theorem
reads sum_x f^2 / n^d = sum_k |f(k)|^2 / V^2. In terms of numpy's transform F = fftn(f):
P = |F|^2 a / n^d.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from sbipipe.interfaces import Array, Index


class Spectrum(NamedTuple):
    """An isotropic power spectrum.

    Attributes:
        k: Mean wavenumber of the modes in each bin, with shape (K,) [h/Mpc].
        power: With shape (..., K) [(Mpc/h)^d].
        modes: Fourier modes in each bin, with shape (K,); k and -k are two.
    """

    k: Array
    power: Array
    modes: Index


class Shells(NamedTuple):
    """The modes of a grid, gathered by the length of their wavevector.

    Attributes:
        k: Every length that occurs, rising from 0, with shape (K,) [h/Mpc].
        of_mode: Which of them each mode has, with the shape of the grid.
        modes: How many modes have it, with shape (K,).
    """

    k: Array
    of_mode: Index
    modes: Index


@cache
def shells(n: int, dimensions: int, box: float) -> Shells:
    """The modes of a grid of n^dimensions points, in numpy's order of `fftn`."""
    i = np.fft.fftfreq(n, 1 / n).round().astype(np.int64)
    squares = sum(np.meshgrid(*[i**2] * dimensions, indexing="ij"), start=np.int64(0))
    found, of_mode, modes = np.unique(squares, return_inverse=True, return_counts=True)
    return Shells(2 * np.pi / box * np.sqrt(found), of_mode.reshape(squares.shape), modes)


def wavenumbers(n: int, dimensions: int, box: float) -> Array:
    """|k| of every mode, with shape (n,) * dimensions [h/Mpc], in numpy's order of `fftn`."""
    k, of_mode, _ = shells(n, dimensions, box)
    return k[of_mode]


def gaussian_field(noise: Array, power: Array, box: float) -> Array:
    """A Gaussian field from unit white noise: f(k) = noise(k) sqrt(P(k) / a).

    Args:
        noise: Independent standard normals, with shape (n,) * d.
        power: P on the modes of the grid, with the same shape [(Mpc/h)^d]; even in k.
    """
    cell = (box / noise.shape[0]) ** noise.ndim
    return np.fft.ifftn(np.fft.fftn(noise) * np.sqrt(power / cell)).real


def power_spectrum(
    field: Array, box: float, *, dimensions: int | None = None, edges: Array | None = None
) -> Spectrum:
    """The isotropic power spectrum.

    Args:
        field: With shape (..., n, ..., n).
        box: Side [Mpc/h].
        dimensions: How many of the last axes are space; all of them by default.
        edges: Of the bins in k [h/Mpc]; lower edges belong to their bin. By default bins as wide as
            the fundamental wavenumber, the first centred on it, up to the Nyquist wavenumber.

    Raises:
        ValueError: If a bin holds no mode.
    """
    field = np.asarray(field, np.float64)
    d = field.ndim if dimensions is None else dimensions
    n = field.shape[-1]
    lengths = wavenumbers(n, d, box).ravel()
    which = np.searchsorted(_edges(n, box) if edges is None else edges, lengths, "right")
    count = (n // 2 if edges is None else len(edges) - 1) + 2
    modes = np.bincount(which, minlength=count)[1 : count - 1]
    if (modes == 0).any():
        raise ValueError(f"edges: bin {int(np.argmin(modes))} holds no mode of a box of {box:g}")
    k = np.bincount(which, lengths, count)[1 : count - 1] / modes
    squares = np.abs(np.fft.fftn(field, axes=range(-d, 0))) ** 2 * (box / n) ** d / n**d
    rows = squares.reshape(-1, n**d)
    sums = np.stack([np.bincount(which, row, count)[1 : count - 1] for row in rows])
    return Spectrum(k, (sums / modes).reshape(*field.shape[:-d], -1), modes)


def smoothed(field: Array, scale: float, box: float) -> Array:
    """A periodic field in three dimensions through a Gaussian, exp(-k^2 scale^2 / 2) mode by mode.

    Args:
        field: With shape (n, n, n, ...).
        scale: Of the same unit as `box`.
    """
    n = field.shape[0]
    window = np.exp(-0.5 * (scale * wavenumbers(n, 3, box)) ** 2)[..., : n // 2 + 1]
    axes = (0, 1, 2)
    waves = np.fft.rfftn(field, axes=axes) * window.reshape(*window.shape, *[1] * (field.ndim - 3))
    return np.fft.irfftn(waves, (n, n, n), axes)


def average(x: Array, cells: int) -> Array:
    """Fields (N, C, *space) with so many pixels along each axis averaged to one."""
    for axis in range(2, x.ndim):
        split = (*x.shape[:axis], x.shape[axis] // cells, cells, *x.shape[axis + 1 :])
        x = x.reshape(split).mean(axis + 1)
    return x


def at_most(x: Array, side: int) -> Array:
    """Fields (N, C, *space) averaged to a grid of at most `side` pixels along each axis, where
    there is such a grid of larger pixels; else as they are."""
    sides = x.shape[2:]
    fits = (n for n in range(1, max(sides)) if all(s % n == 0 and s // n <= side for s in sides))
    return average(x, next(fits, 1))


def _edges(n: int, box: float) -> Array:
    return np.asarray(2 * np.pi / box * (np.arange(n // 2 + 1) + 0.5))
