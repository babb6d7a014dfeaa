r"""How far streams of cold dark matter that overlap differ in their velocity.

Where the phase-space sheet x(q) has folded, several of its parts, the streams, pass through one
point. The lattice of particles is cut into tetrahedra, six a cube about its long diagonal, in each
of which x and the velocity v are linear in q (Abel, Hahn & Kaehler 2012, arXiv 1111.3944). The
streams s at a point are the tetrahedra that hold it, with the densities rho_s = 1 / |det dx/dq| and
velocities v_s, and the dispersion there is

    sigma^2 = sum_s rho_s |v_s - u|^2 / sum_s rho_s,     u = sum_s rho_s v_s / sum_s rho_s.

A single stream has none, whatever its gradients; that is what tells this from the scatter of
particles in a cell. Points are the centres of the pixels of a grid. Each lies in some tetrahedron,
for the same reason for which no pixel is empty (`phase_space_sheet`).

The barycentric coordinates of a point are linear in it, and none of them is negative inside. Along
a column of the grid each of the four is thus a bound, from below or from above, on where the
tetrahedron begins and ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import permutations
from typing import NamedTuple

import numpy as np

from sbipipe.interfaces import Array, Index

_ROUNDING = 1e-12
"""How far outside a tetrahedron a point may be, in barycentric coordinates: none falls between
two."""

_ASIDE = np.array([[2e-7], [3e-7], [5e-7]])
"""How far the points are from the centres of the pixels [pixels]: on a face that two tetrahedra of
an undisturbed lattice have in common, a stream would count twice."""

_BLOCK = 2**18
"""Tetrahedra looked at together."""


class Dispersion(NamedTuple):
    """What streams there are at each point of a grid.

    Attributes:
        density: The sum of rho_s, with shape (pixels,) * 3; one on average.
        variance: sigma^2, with the same shape, in the square of the velocity's unit.
    """

    density: Array
    variance: Array


class _Streams(NamedTuple):
    """Streams at points of the grid.

    Attributes:
        point: The flat index of the point, with shape (M,).
        density: rho_s, with shape (M,).
        velocity: v_s, with shape (3, M).
    """

    point: Index
    density: Array
    velocity: Array


def dispersion(displacement: Array, velocity: Array, pixels: int) -> Dispersion:
    """The dispersion of streams at the centres of the pixels of a box.

    Args:
        displacement: Of the particles from the lattice, with shape (n, n, n, 3), in lattice units.
        velocity: Of the particles, with the same shape.
    """
    found = list(_streams(displacement, velocity, pixels))
    point, rho = (np.concatenate([part[i] for part in found]) for i in (0, 1))
    v, size = np.concatenate([part.velocity for part in found], 1), pixels**3
    total = _sums(point, rho, size)
    mean = np.stack([_sums(point, rho * one, size) / total for one in v])
    variance = _sums(point, rho * ((v - mean[:, point]) ** 2).sum(0), size) / total
    return Dispersion(total.reshape((pixels,) * 3), variance.reshape((pixels,) * 3))


def _sums(point: Index, values: Array, size: int) -> Array:
    return np.asarray(np.bincount(point, values, size), np.float64)


def _streams(displacement: Array, velocity: Array, pixels: int) -> Iterator[_Streams]:
    """Those of the six tetrahedra of a cube in turn, some cubes at a time."""
    n = displacement.shape[0]
    q = np.indices((n, n, n)).reshape(3, -1)
    for order in permutations(range(3)):
        path = np.zeros((4, 3, 1), np.int64)
        for step, axis in enumerate(order, 1):
            path[step:, axis] = 1
        for start in range(0, n**3, _BLOCK):
            lattice = q[:, start : start + _BLOCK] + path  # (4, 3, m)
            at = tuple(np.moveaxis(lattice % n, 1, 0))
            x, v = (np.moveaxis(one[at], -1, 1).astype(float) for one in (displacement, velocity))
            yield _held((lattice + x) * (pixels / n) - 0.5 - _ASIDE, v, pixels, n)


def _held(corners: Array, velocity: Array, pixels: int, n: int) -> _Streams:
    """What m tetrahedra hold.

    Args:
        corners: With shape (4, 3, m), in pixels; the points of the grid are whole numbers.
        velocity: At the corners, with the same shape.
    """
    slope, offset, volume = _coordinates(corners)
    which, x, y = _columns(corners)
    some = volume[which] > 0
    which, x, y = which[some], x[some], y[some]
    base = [
        o[which] + s[0][which] * x + s[1][which] * y for o, s in zip(offset, slope, strict=True)
    ]
    first, last = _ends(base, [s[2][which] for s in slope])
    column, z = _listed(first, last)
    which = which[column]
    share = [b[column] + s[2][which] * z for b, s in zip(base, slope, strict=True)]
    at = (x[column] % pixels, y[column] % pixels, z % pixels)
    point = np.ravel_multi_index(at, (pixels,) * 3)
    v = sum(part * one[:, which] for part, one in zip(share, velocity, strict=True))
    return _Streams(point, (pixels / n) ** 3 / volume[which], v)


def _coordinates(corners: Array) -> tuple[Array, Array, Array]:
    """Barycentric coordinates, slope . x + offset, and six times the volume.

    Returns:
        With shapes (4, 3, m), (4, m) and (m,).
    """
    edges = corners[1:] - corners[0]
    normals = np.stack([np.cross(edges[i - 2], edges[i - 1], axis=0) for i in range(3)])
    volume = (edges[0] * normals[0]).sum(0)
    slope = normals / np.where(volume == 0, 1, volume)
    slope = np.concatenate([-slope.sum(0, keepdims=True), slope])
    offset = -(slope * corners[0]).sum(1)
    offset[0] += 1
    return slope, offset, np.abs(volume)


def _columns(corners: Array) -> tuple[Index, Index, Index]:
    """Columns of the grid that may meet a tetrahedron: which one, and x and y; each (M,)."""
    low = np.ceil(reduce(np.minimum, corners[:, :2]) - _ROUNDING).astype(np.int64)
    high = np.floor(reduce(np.maximum, corners[:, :2]) + _ROUNDING).astype(np.int64)
    row, x = _listed(low[0], high[0])
    column, y = _listed(low[1][row], high[1][row])
    return row[column], x[column], y


def _ends(base: list[Array], slope: list[Array]) -> tuple[Index, Index]:
    """The first and the last z at which no coordinate base + slope z is negative, each (M,)."""
    first, last = np.full(len(base[0]), -np.inf), np.full(len(base[0]), np.inf)
    for b, s in zip(base, slope, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = -(b + _ROUNDING) / s
        first = np.where(s > 0, np.maximum(first, bound), first)
        last = np.where(s < 0, np.minimum(last, bound), last)
        last = np.where((s == 0) & (b < -_ROUNDING), -np.inf, last)
    some = np.isfinite(last)
    ends = np.where(some, np.ceil(first), 1), np.where(some, np.floor(last), 0)
    return ends[0].astype(np.int64), ends[1].astype(np.int64)


def _listed(first: Index, last: Index) -> tuple[Index, Index]:
    """All whole numbers of m intervals: which interval, and the number; each (M,)."""
    count = np.maximum(last - first + 1, 0)
    which = np.repeat(np.arange(len(count)), count)
    return which, first[which] + np.arange(len(which)) - (np.cumsum(count) - count)[which]


__all__ = ["Dispersion", "dispersion"]
