r"""Local calibration: how often the 68 % regions hold the truth, and which way the truths lie, in
cells of two parameters.

A simulation lies where the mean of {truth, draws} lies, a symmetric function, so that the ranks of
an exact posterior are uniform in every cell; sorted by the truth or by the draws alone, they are
not. Cells have equal shares of the simulations along each axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sbipipe.gate import uniformity
from sbipipe.interfaces import Array, Index, Mask, PosteriorDraws
from sbipipe.seeds import stream

CELL = 30
"""Simulations that a cell holds, about."""

MOST_CELLS = 5
"""Cells along an axis, at most."""

SHOWN = 3
"""Pairs of parameters that are shown of an estimator, at most."""

CREDIBILITY = 0.68
"""Of the regions."""


@dataclass(frozen=True, kw_only=True)
class LocalCalibration:
    """An estimator's ranks in cells of one or two parameters.

    Attributes:
        estimator: The name of the estimator.
        parameters: The names of the parameters along the axes, one or two.
        edges: The edges of the cells along each axis.
        count: The number of simulations in each cell, with shape (columns, rows).
        held: The share of their truths inside the 68 % region, NaN in an empty cell.
        lean: How far the truths lie above the draws along each axis, as the mean of
            sqrt(12) (u - 1/2) with shape (columns, rows, axes); NaN in an empty cell.
    """

    estimator: str
    parameters: tuple[str, ...]
    edges: tuple[Array, ...]
    count: Index
    held: Array
    lean: Array

    @property
    def z(self) -> Array:
        """The held share minus 68 % in standard errors: negative where too narrow."""
        scale = np.sqrt(CREDIBILITY * (1 - CREDIBILITY) / np.maximum(self.count, 1))
        return np.asarray((self.held - CREDIBILITY) / scale)

    @property
    def lean_z(self) -> Array:
        """The lean in standard errors, with its shape."""
        return np.asarray(self.lean * np.sqrt(self.count)[..., None])

    @property
    def strays(self) -> float:
        """Mean square of `z` and `lean_z` over the cells that are not empty."""
        return float(np.nanmean(np.concatenate([self.z[..., None], self.lean_z], -1) ** 2))


def local_calibration(name: str, draws: PosteriorDraws) -> tuple[LocalCalibration, ...]:
    """Of the pairs of parameters, or of the only one, those that stray most."""
    kept = ~uniformity.failed(draws)
    if not kept.any():
        return ()
    found = sorted(_all(name, draws, kept), key=lambda one: -one.strays)
    return tuple(found[:SHOWN])


def _all(name: str, draws: PosteriorDraws, kept: Mask) -> Iterator[LocalCalibration]:
    """Every pair of parameters, or the only one."""
    size = uniformity.effective_draws(draws)[kept]
    values, theta = draws.draws[:, kept], draws.theta[kept]
    centre = (values.sum(0) + theta) / (len(values) + 1)
    rng = stream(0, "local calibration", name)
    density = uniformity.pit(draws.log_prob[:, kept], draws.log_prob_truth[kept], size, rng)
    held = np.where(density >= 1 - CREDIBILITY, 1.0, 0.0)
    axes = range(theta.shape[1])
    u = [uniformity.pit(values[..., i], theta[:, i], size, rng) for i in axes]
    lean = [np.sqrt(12) * (one - 0.5) for one in u]
    pairs: list[tuple[int, ...]] = list(combinations(axes, 2)) or [(0,)]
    for pair in pairs:
        edges, places = zip(*(_cells(centre[:, i]) for i in pair), strict=True)
        count, shares, *leans = _means(edges, places, [held, *(lean[i] for i in pair)])
        yield LocalCalibration(
            estimator=name,
            parameters=tuple(draws.parameters[i] for i in pair),
            edges=edges,
            count=count.astype(np.int64),
            held=shares,
            lean=np.stack(leans, -1),
        )


def _means(
    edges: Sequence[Array], places: Sequence[Index], values: Sequence[Array]
) -> Iterator[Array]:
    """How many simulations each cell holds, and the mean of each of the values over them, all with
    shape (columns, rows)."""
    columns, *rows = (len(one) - 1 for one in edges)
    shape = (columns, *rows) if rows else (columns, 1)
    flat = places[0] * shape[1] + (places[1] if rows else 0)
    cells = shape[0] * shape[1]
    count = np.bincount(flat, minlength=cells)
    yield np.asarray(count.reshape(shape), np.float64)
    for one in values:
        total = np.bincount(flat, weights=one, minlength=cells)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        yield mean.reshape(shape)


def _cells(values: Array) -> tuple[Array, Index]:
    """Edges with equal shares between them, and the cell of each value."""
    cells = int(np.clip(np.sqrt(len(values) / CELL), 2, MOST_CELLS))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, cells + 1)))
    edges = edges if len(edges) > 1 else np.array([edges[0], edges[0] + 1])
    place = np.searchsorted(edges, values, side="right") - 1
    return edges, np.clip(place, 0, len(edges) - 2)
