"""Counts, for which a density over the reals would be a row of spikes without end.

A component that takes few values, evenly spaced, is spread over the unit around each of them: the
density of x + spacing (v - 1/2) with v uniform integrates, over the unit around a value, to that
value's probability (uniform dequantisation, Theis, van den Oord & Bethge 2016, arXiv 1511.01844).
Scored at x itself, the middle of its unit, it stands for that probability.
"""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Array

EVEN = 1e-6
"""Relative error up to which distances between values are multiples of the least."""


def spacings(x: Array) -> Array:
    """The distance between neighbouring values of each component of (N, L), with shape (L,); 0 for
    components whose values are not evenly spaced, or seldom repeat."""
    return np.array([_spacing(column) for column in np.asarray(x, np.float64).T])


def _spacing(column: Array) -> float:
    values = np.unique(column)
    if not 1 < len(values) <= len(column) / 2:
        return 0.0
    gaps = np.diff(values)
    multiples = gaps / gaps.min()
    even = np.abs(multiples - multiples.round()) <= EVEN * multiples
    return float(gaps.min()) if even.all() else 0.0
