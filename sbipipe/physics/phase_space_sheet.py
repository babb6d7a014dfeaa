r"""Densities from the phase-space sheet.

Cold dark matter fills a three-dimensional sheet of phase space: its position is a continuous
function x(q) of the Lagrangian coordinate q, and its mass is spread evenly over q (Abel, Hahn &
Kaehler 2012, arXiv 1111.3944; Hahn & Angulo 2016, arXiv 1501.01959). Within each cube of the
lattice of particles x is interpolated linearly along each axis from the eight corners. x(q) is then
a continuous map of the periodic box onto itself that can be shrunk to the identity, so it reaches
every point: no place is empty, however few the particles.

A cube carries its mass on r^3 tracers at the midpoints of its subdivisions. r is chosen for each
cube: its extent along every axis, divided by r, is at most `spacing`, so that voids are as finely
sampled as anything else. A tracer belongs to the slab that it lies in, and is shared among 2 x 2
pixels as a cloud in a cell, so it reaches every pixel whose centre is less than one pixel away.
Where x(q) is linear across a cube, every point of it has a tracer within `spacing / 2` along each
axis: no pixel is empty if `spacing` is below two pixels and below the thickness of a slab. Strongly
bent cubes may exceed this; they belong to haloes and filaments, where other streams overlap them.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np

from sbipipe.interfaces import Array, Index


class Tracers(NamedTuple):
    """Points that carry the mass of the sheet.

    Attributes:
        x: Positions in units of the box, in [0, 1), with shape (3, M).
        mass: In units of the box's mass, with shape (M,).
    """

    x: Array
    mass: Array


def trace(displacement: Array, spacing: float) -> Tracers:
    """Tracers of the whole sheet.

    Args:
        displacement: Of the particles from the lattice, with shape (n, n, n, 3), in lattice units.
        spacing: The furthest that a tracer's share of the sheet extends along an axis, in lattice
            units.
    """
    n = displacement.shape[0]
    corners = _corners(displacement)
    extent = (corners.max(1) - corners.min(1)).max(0)
    divisions = np.maximum(np.ceil(extent / spacing), 1).astype(np.int64)
    x, mass = [], []
    for r in np.unique(divisions):
        cubes = corners[:, :, divisions == r]
        x.append((_midpoint_weights(int(r), cubes.dtype) @ cubes).reshape(3, -1))
        mass.append(np.full(x[-1].shape[1], 1 / (r * n) ** 3))
    box = np.concatenate(x, 1) / n
    box -= np.floor(box)
    box[box == 1] = 0
    return Tracers(box, np.concatenate(mass))


def slab_maps(tracers: Tracers, pixels: int, slabs: int) -> Array:
    """Projected densities of all slabs along all three axes.

    Args:
        pixels: Of a map, per side.
        slabs: Along each axis.

    Returns:
        1 + delta with shape (3, slabs, pixels, pixels). Its mean over the slabs of an axis is one.
    """
    clouds, size = [_cloud(x, pixels) for x in tracers.x], slabs * pixels**2
    density = np.zeros((3, size))
    for axis, x in enumerate(tracers.x):
        slab = (x * slabs).astype(np.int64) * pixels**2
        first, second = (clouds[other] for other in range(3) if other != axis)
        for i, u in first:
            row, mass = slab + i * pixels, tracers.mass * u
            for j, v in second:
                density[axis] += np.bincount(row + j, mass * v, size)
    return (density * size).reshape(3, slabs, pixels, pixels)


def box_density(tracers: Tracers, pixels: int) -> Array:
    """1 + delta of the whole box, with shape (pixels,) * 3; its mean is one.

    Args:
        pixels: Along each side.
    """
    clouds, size = [_cloud(x, pixels) for x in tracers.x], pixels**3
    density = np.zeros(size)
    for (i, u), (j, v), (k, w) in product(*clouds):
        density += np.bincount((i * pixels + j) * pixels + k, tracers.mass * u * v * w, size)
    return (density * size).reshape((pixels,) * 3)


def slab_sums(field: Array, slabs: int) -> Array:
    """Sums through all slabs along all three axes.

    Args:
        field: At the centres of the pixels of the box, with shape (pixels,) * 3; each belongs to
            the slab that it lies in.
        slabs: Along each axis, at most as many as pixels.

    Returns:
        With shape (3, slabs, pixels, pixels).
    """
    slab = (2 * np.arange(field.shape[0]) + 1) * slabs // (2 * field.shape[0])
    first = np.searchsorted(slab, np.arange(slabs))
    sums = [np.add.reduceat(np.moveaxis(field, axis, 0), first) for axis in range(3)]
    return np.stack(sums)


def _corners(displacement: Array) -> Array:
    """Positions of the corners of every cube, with shape (3, 8, n^3), in lattice units; not
    wrapped into the box, so that a cube stays whole."""
    n = displacement.shape[0]
    q = np.indices((n, n, n), dtype=displacement.dtype)
    x = []
    for offset in product((0, 1), repeat=3):
        shifted = np.roll(displacement, [-step for step in offset], (0, 1, 2))
        x.append(np.moveaxis(shifted, -1, 0) + q + np.reshape(offset, (3, 1, 1, 1)).astype(q.dtype))
    return np.stack(x, 1).reshape(3, 8, -1)


def _midpoint_weights(r: int, dtype: np.dtype[Any]) -> Array:
    """Of the 8 corners at the midpoints of r^3 subdivisions of a cube, with shape (r^3, 8)."""
    u = (np.arange(r) + 0.5) / r
    sides = np.stack([1 - u, u], -1)
    weights = np.einsum("ia,jb,kc->ijkabc", sides, sides, sides)
    return np.asarray(weights.reshape(r**3, 8), dtype)


def _cloud(x: Array, pixels: int) -> tuple[tuple[Index, Array], tuple[Index, Array]]:
    """The two pixels that share each tracer along one axis, with their shares."""
    centred = x * x.dtype.type(pixels) - x.dtype.type(0.5)
    lower = np.floor(centred)
    share = centred - lower
    index = lower.astype(np.int64)
    return ((index % pixels, 1 - share), ((index + 1) % pixels, share))
