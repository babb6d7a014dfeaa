r"""Weak lensing by planes of matter, in the Born approximation.

Light of sources at the comoving distance chi_s passes the density contrast delta of a flat universe
along straight lines, and its convergence is (Bartelmann & Schneider 2001, astro-ph/9912508; Jain,
Seljak & White 2000, astro-ph/9901191)

    kappa(theta) = (3/2) Omega_m (H_0/c)^2
                   int_0^{chi_s} dchi  chi (1 - chi / chi_s) delta(chi theta, chi) / a(chi).

Boxes of side L follow each other along the line of sight, each projected to one plane, so the
integral becomes a sum over the planes at chi_i = (i + 1/2) L < chi_s, the midpoint rule:

    kappa(theta) = sum_i w_i delta_i(chi_i theta),
    w_i = (3/2) Omega_m (H_0/c)^2  L chi_i (1 - chi_i / chi_s) / a_i.

delta_i is the mean through the box, and chi is in Mpc/h, so (H_0/c)^2 = 1 / 2997.92^2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates

from sbipipe.interfaces import Array, Generator
from sbipipe.physics.background import HUBBLE_LENGTH, comoving_distance


class Planes(NamedTuple):
    """Where light passes matter, from the nearest plane to the furthest.

    Attributes:
        chi: Distances, with shape (P,) [Mpc/h].
        z: Redshifts, with shape (P,).
        weight: w_i, with shape (P,).
    """

    chi: Array
    z: Array
    weight: Array


def planes(omega_m: float, source: float, box: float) -> Planes:
    """The planes before sources at a redshift.

    Args:
        source: The redshift of the sources.
        box: L [Mpc/h].
    """
    grid = np.linspace(0, source, 1025)
    distance = comoving_distance(grid, omega_m)
    chi = np.arange(box / 2, distance[-1], box)
    z = np.interp(chi, distance, grid)
    weight = 1.5 * omega_m / HUBBLE_LENGTH**2 * box * chi * (1 - chi / distance[-1]) * (1 + z)
    return Planes(chi, z, weight)


def cropped(plane: Array, width: float, pixels: int, rng: Generator) -> Array:
    """A square part of a periodic plane, anywhere in it and in any of its eight orientations.

    Args:
        plane: With shape (n, n), of side one.
        width: The side of the part, at most one.
        pixels: Along each side of the part. Each is the mean over points, no further from each
            other than those of the plane, between which the plane is linear.

    Returns:
        With shape (pixels, pixels).
    """
    n = plane.shape[0]
    finer = int(np.ceil(n * width / pixels))
    along = (np.arange(pixels * finer) + 0.5) / (pixels * finer) * width * n
    x, y = (along + shift for shift in rng.random(2) * n)
    points = np.stack(np.meshgrid(x, y, indexing="ij"))
    part = map_coordinates(plane, points, order=1, mode="grid-wrap")
    part = part.reshape(pixels, finer, pixels, finer).mean((1, 3))
    turned = np.rot90(part, int(rng.integers(4)))
    return np.asarray(turned.T if rng.integers(2) else turned)


__all__ = ["Planes", "cropped", "planes"]
