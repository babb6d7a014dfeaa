"""What kinds of emulators that score fields have in common.

Such a kind takes fields, averages some pixels to one if asked to, and scores every field in its
standard position (`physics.position`), so that its images under reflections, right-angle rotations
and, where it wraps around, shifts have one likelihood. A field that is not finite, or whose surface
is too sharp for its polynomial, has none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sbipipe.interfaces import Array, Dataset, Fields, Scored
from sbipipe.learning.chebyshev import Basis, unresolved
from sbipipe.physics.fields import average
from sbipipe.physics.position import standard_position
from sbipipe.records import InputError

CHUNK = 256
"""Fields that are scored at once."""


def fields_of(rows: Dataset, coarsen: int, kind: str) -> Fields:
    """What the rows are, if they are fields that this kind can take.

    Args:
        coarsen: Pixels along each axis that are averaged to one.

    Raises:
        InputError: For vectors, or sides that `coarsen` does not divide.
    """
    if not isinstance(rows.data, Fields):
        raise InputError(f"of: given vectors; allowed for kind {kind}: a simulator of fields")
    sides = rows.data.geometry.pixels
    if any(side % coarsen for side in sides):
        raise InputError(
            f"config.coarsen: given {coarsen}; allowed: what divides the sides {sides}"
        )
    return rows.data


def coarsened(x: Array, coarsen: int, *, periodic: bool = True) -> Array:
    """Fields (N, C, *space) to learn from. Those that are averaged come from their standard
    position, as those that are scored do."""
    return average(standard_position(x, periodic=periodic), coarsen) if coarsen > 1 else x


def score_fields(
    x: Array, source: Fields, basis: Basis, sharpest: float, kind: str,
    score: Callable[[Array], Scored],
) -> Scored:  # fmt: skip
    """Surfaces of B fields of the simulator.

    Args:
        x: Fields with shape (B, C, *space).
        source: What they are.
        basis: Of the surfaces.
        sharpest: Nats that the terms of the highest degree may weigh together, at most.
        kind: Named where the shape is another.
        score: Called with some of the fields in their standard position.

    Returns:
        NaN for a field that is not finite, or too sharp for its polynomial.

    Raises:
        InputError: For fields of another shape.
    """
    if x.shape[1:] != source.shape:
        raise InputError(f"{kind}: given fields with shape {x.shape[1:]}; allowed: {source.shape}")
    coefficients, error = np.full((len(x), len(basis)), np.nan), np.full(len(x), np.nan)
    draws = np.zeros(len(x), np.int64)
    finite = np.flatnonzero(np.isfinite(x).all(tuple(range(1, x.ndim))))
    for start in range(0, len(finite), CHUNK):
        rows = finite[start : start + CHUNK]
        part = score(standard_position(x[rows], periodic=source.geometry.periodic))
        coefficients[rows], error[rows], draws[rows] = vars(part).values()
    coefficients[unresolved(coefficients, basis) > sharpest] = np.nan
    return Scored(coefficients=coefficients, error=error, draws=draws)


__all__ = ["CHUNK", "coarsened", "fields_of", "score_fields"]
