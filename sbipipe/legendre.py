"""Legendre polynomials of uniform numbers: the components of Neyman's smooth test (1937)."""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Array


def legendre(u: Array) -> tuple[Array, Array]:
    """Those of degree 1 and 2 on [0, 1], of mean 0 and variance 1 where u is uniform: the first is
    large where u lies high, the second where it lies at the ends."""
    first = np.sqrt(12) * (u - 0.5)
    return np.asarray(first), np.asarray(np.sqrt(5) / 2 * (first**2 - 1))


__all__ = ["legendre"]
