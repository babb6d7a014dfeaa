r"""PQMass: whether two samples put the same share of their points into each part of space.

Some points of both samples are references; each other point belongs to the nearest, so that space
falls into cells, and chi-squared compares the two samples' counts in these (Lemos et al. 2024,
arXiv:2402.04355). For independent points of one distribution its mean is the number of references
less one. Nothing is assumed of the dimension; a point may be a whole field, or its statistics.

With n_1 of n points in the first sample, and in cell r the counts O_r of it and A_r of both,

    chi^2 = n^2 / (n_1 n_2) sum_r (O_r - n_1 A_r / n)^2 / A_r,

the mean over `TESSELLATIONS`. The p of the package `pqm` takes points to be independent, which the
fields of one simulation are not, and its chi-squared is infinite where that p is too small for a
number. So p is by exchange of simulations (`exchanges`), in cells that stay the same.
"""

from __future__ import annotations

import numpy as np
import torch

from sbipipe.emulation.exchanges import divisions, p_values
from sbipipe.emulation.sampled import Mass
from sbipipe.interfaces import Array, Index
from sbipipe.seeds import stream

REFERENCES = 100
"""References, at most; fewer where there would be less than `POINTS` points for each."""

POINTS = 10

TESSELLATIONS = 10
"""Tessellations over which chi-squared is averaged."""


def mass(a: Array, b: Array, seed: int) -> Mass:
    """Of points a and b (G, e, D)."""
    references = min(REFERENCES, 2 * a.shape[0] * a.shape[1] // POINTS)
    points = np.concatenate([a, b]).astype(np.float32)
    signs = divisions(len(a), stream(seed, "judge", "mass", "exchanges"))
    found = [_under_exchange(points, signs, references, seed, i) for i in range(TESSELLATIONS)]
    mean = np.mean([values for values, _ in found], 0)
    return Mass(
        chi_squared=float(mean[0]),
        expected=float(np.mean([cells for _, cells in found])) - 1,
        p=float(p_values(mean)),
    )


def _under_exchange(
    points: Array, signs: Index, references: int, seed: int, i: int
) -> tuple[Array, int]:
    """Of points (2 G, e, D) under every division, the actual one first, (1 + count,), and the
    number of cells that hold any, in the i-th tessellation."""
    groups, each = points.shape[:2]
    order = stream(seed, "judge", "mass", "cells", i).permutation(groups * each)
    chosen, others = order[:references], order[references:]
    flat = torch.from_numpy(points.reshape(groups * each, -1))
    cell = torch.cdist(flat[others], flat[chosen]).argmin(1).numpy()
    counts = np.zeros((groups, references))
    np.add.at(counts, (others // each, cell), 1)
    both = counts.sum(0)
    return chi_squared((signs > 0) @ counts, both), int((both > 0).sum())


def chi_squared(first: Array, both: Array) -> Array:
    """Of the counts of the first sample (..., R), given those of both (R,); empty cells count for
    nothing."""
    first, both = first[..., both > 0], both[both > 0]
    n, n1 = both.sum(), first.sum(-1, keepdims=True)
    squares = ((first - n1 * both / n) ** 2 / both).sum(-1)
    return np.asarray(n**2 / (n1 * (n - n1))[..., 0] * squares)


__all__ = ["TESSELLATIONS", "chi_squared", "mass"]
