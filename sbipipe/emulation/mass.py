r"""PQMass: whether two samples put the same share of their points into each part of space.

Some points of both samples are references; each other point belongs to the nearest, so that space
falls into cells, and chi-squared compares the two samples' counts in these (Lemos et al. 2024,
arXiv:2402.04355). For independent points of one distribution its mean is the number of references
less one. Nothing is assumed of the dimension; a point may be a whole field, or its statistics.

The chi-squared is that of the package `pqm`, the mean over `TESSELLATIONS`. Its own p takes points
to be independent, which the fields of one simulation are not. So p is by exchange of simulations
(`exchanges`), of the mean chi-squared in cells that stay the same under exchange: with n_1 of n
points in the first sample, and in cell r the counts O_r of it and A_r of both,

    chi^2 = n^2 / (n_1 n_2) sum_r (O_r - n_1 A_r / n)^2 / A_r.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from pqm import pqm_chi2

from sbipipe.emulation.exchanges import divisions, p_values
from sbipipe.emulation.sampled import Mass
from sbipipe.interfaces import Array, Index
from sbipipe.seeds import number, stream, torch_scope

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
    return Mass(
        chi_squared=float(np.mean(list(_chi_squared(points, references, seed)))),
        expected=references - 1.0,
        p=float(p_values(np.mean(found, 0))),
    )


def _chi_squared(points: Array, references: int, seed: int) -> Iterator[float]:
    """By the package, one for each tessellation."""
    flat = torch.from_numpy(points.reshape(2, -1, points.shape[-1]))
    roots = (number(seed, "judge", "mass", library) for library in ("torch", "numpy"))
    with torch_scope(next(roots)), _numpy_scope(next(roots)):
        for _ in range(TESSELLATIONS):
            yield float(pqm_chi2(flat[0], flat[1], num_refs=references))


def _under_exchange(points: Array, signs: Index, references: int, seed: int, i: int) -> Array:
    """Of points (2 G, e, D) under every division, in the i-th tessellation, (1 + count,)."""
    groups, each = points.shape[:2]
    order = stream(seed, "judge", "mass", "cells", i).permutation(groups * each)
    chosen, others = order[:references], order[references:]
    flat = torch.from_numpy(points.reshape(groups * each, -1))
    cell = torch.cdist(flat[others], flat[chosen]).argmin(1).numpy()
    counts = np.zeros((groups, references))
    np.add.at(counts, (others // each, cell), 1)
    return chi_squared((signs > 0) @ counts, counts.sum(0))


def chi_squared(first: Array, both: Array) -> Array:
    """Of the counts of the first sample (..., R), given those of both (R,); empty cells count for
    nothing."""
    first, both = first[..., both > 0], both[both > 0]
    n, n1 = both.sum(), first.sum(-1, keepdims=True)
    squares = ((first - n1 * both / n) ** 2 / both).sum(-1)
    return np.asarray(n**2 / (n1 * (n - n1))[..., 0] * squares)


@contextmanager
def _numpy_scope(seed: int) -> Iterator[None]:
    """Inside, numpy's global generator starts from `seed`; after, it is as it was."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


__all__ = ["TESSELLATIONS", "chi_squared", "mass"]
