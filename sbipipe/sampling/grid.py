"""Draws by an adaptive grid, for up to three parameters.

In the prior's unit cube q = F(theta) the prior is flat, so the posterior is proportional to exp l.
Starting from a coarse grid, the cells that lose most are cut in three along the axis on which l
varies most. Where l varies within a cell by the variance v, uniform draws from the cell lose the
share v of its mass m in effective size, so the m v are the score and their sum, relative to the
total mass, is the criterion; a cell with v > 1 is not resolved and scores the mass that its slopes
would allow. So any number of modes and any width is found that the coarse grid has a hint of. Draws
are importance resampled with the density at the draws themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy import special

from sbipipe.interfaces import Array, Generator, Index, Mask
from sbipipe.sampling.particles import counts, effective_size, pick, relative, resample
from sbipipe.sampling.unnormalised import FromDensity, evaluate
from sbipipe.seeds import stream

_COARSE = {1: 256, 2: 24, 3: 10}
_SPLIT = {1: 32, 2: 128, 3: 384}
_LEVELS = 60
_LOSS = {1: 0.03, 2: 0.03, 3: 0.08}
_LEAST_SHARE = 0.5
_ATTEMPTS = 3


@dataclass(kw_only=True)
class GridPosterior(FromDensity):
    """Posteriors on adaptive grids, for up to three parameters."""

    _cells: list[_Cells] = field(init=False, default_factory=list)

    def _prepare(self, rows: slice) -> Array:
        x = self.x[rows]
        dims = len(self.prior.names)
        cells, loss = coarse_cells(dims, len(x)), np.full(len(x), _LOSS[dims])
        log_evidence, active = np.full(len(x), np.nan), np.arange(len(x))
        self._cells += [None] * len(x)  # type: ignore[list-item]
        for attempt in range(_ATTEMPTS):
            density = self._in_cube(x[active])
            split = subdivide(density, cells.of(active), loss[active])
            for b, own in zip(active, split, strict=True):
                self._cells[rows.start + b] = own
            rng = stream(0, "evidence", rows.start, attempt)
            log_evidence[active], share = _evidence(density, split, rng)
            active = active[share < _LEAST_SHARE]
            loss[active] /= 5
            if not len(active):
                break
        return log_evidence

    def _draw(self, rows: slice, n: int, rng: Generator) -> tuple[Array, Array, Array]:
        centre, offset, proposal = propose(
            self._cells[rows], rng.random((n, len(self.x[rows]))), rng
        )
        q = centre + offset
        log_density = self._in_cube(self.x[rows])(q)
        with np.errstate(invalid="ignore"):
            index = resample(relative(log_density - proposal), n, rng)
        size = n**2 / (counts(index, n) ** 2).sum(0)
        return self.prior.from_unit(pick(q, index)), pick(log_density, index), size

    def _in_cube(self, x: Array) -> Callable[..., Array]:
        """`(q (n, b, D), which) -> (n, b)` of the observations x[which], all by default."""

        def density(q: Array, which: Index | slice = slice(None)) -> Array:
            return evaluate(self.log_density, self.prior.from_unit(q), x[which])

        return density


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """Boxes of the unit cube, for each of b observations.

    Attributes:
        centre: With shape (m, b, D), and so are
        width: of the cell, and
        spread: the variance of the log density along each axis of the cell.
        value: Log density at the centre, with shape (m, b).
    """

    centre: Array
    width: Array
    spread: Array
    value: Array

    def of(self, which: Index | Mask) -> _Cells:
        """The cells of these observations."""
        return _Cells(
            centre=self.centre[:, which],
            width=self.width[:, which],
            spread=self.spread[:, which],
            value=self.value[:, which],
        )

    @property
    def log_mass(self) -> Array:
        return np.asarray(self.value + np.log(self.width).sum(-1))

    @property
    def log_score(self) -> Array:
        """Log of the share of the draws that is lost in each cell, with shape (m, b): m v where
        v < 1, and the most that the slopes allow elsewhere."""
        variance, log_mass = self.spread.sum(-1), self.log_mass
        with np.errstate(divide="ignore", invalid="ignore"):
            rise = np.where(variance < 1, np.log(variance), np.sqrt(3 * self.spread).sum(-1))
            return np.asarray(log_mass - special.logsumexp(log_mass, 0) + rise)

    def split(self, worst: Index, density: Callable[[Array], Array]) -> _Cells:
        """Cut the cells `worst` (k, b) in three along the axis of their largest spread."""
        centre, width = pick(self.centre, worst), pick(self.width, worst)
        spread, value = pick(self.spread, worst), pick(self.value, worst)
        along = np.eye(self.centre.shape[-1], dtype=bool)[spread.argmax(-1)]
        width = np.where(along, width / 3, width)
        step = np.where(along, width, 0.0)
        outer = np.concatenate([centre - step, centre + step])
        new = density(outer)
        slope = _difference(new, np.concatenate([value, value])) ** 2 / 12
        slope = np.maximum(*np.split(slope, 2))[..., None]
        spread = np.where(along, slope, spread)
        middle = _Cells(centre=centre, width=width, spread=spread, value=value)
        return self._with(worst, middle, outer, new)

    def _with(self, worst: Index, middle: _Cells, outer: Array, value: Array) -> _Cells:
        """The middle third in its parent's place, the outer thirds at the end."""
        place = worst[..., None]
        width, spread = self.width.copy(), self.spread.copy()
        np.put_along_axis(width, place, middle.width, 0)
        np.put_along_axis(spread, place, middle.spread, 0)
        return _Cells(
            centre=np.concatenate([self.centre, outer]),
            width=np.concatenate([width, middle.width, middle.width]),
            spread=np.concatenate([spread, middle.spread, middle.spread]),
            value=np.concatenate([self.value, value]),
        )


def coarse_cells(dims: int, observations: int) -> _Cells:
    """A regular grid, not evaluated yet."""
    size = _COARSE[dims]
    axis = (np.arange(size) + 0.5) / size
    grid = np.stack(np.meshgrid(*[axis] * dims, indexing="ij"), -1).reshape(-1, 1, dims)
    centre = np.repeat(grid, observations, 1)
    nothing = np.zeros(centre.shape[:2])
    return _Cells(
        centre=centre, width=np.full(centre.shape, 1 / size), spread=0 * centre, value=nothing
    )


def subdivide(density: Callable[..., Array], coarse: _Cells, loss: Array) -> list[_Cells]:
    """Split the worst cells of each observation until at most the share `loss` (b,) is lost.

    Args:
        density: `(q (n, a, D), which (a,)) -> (n, a)`, of the observations `which`.

    Returns:
        The cells of each observation; values of NaN where one cannot be sampled.
    """
    dims = coarse.centre.shape[-1]
    which = np.arange(len(loss))
    value = density(coarse.centre, which)
    spread = _grid_spread(value, _COARSE[dims], dims)
    cells = _Cells(centre=coarse.centre, width=coarse.width, spread=spread, value=value)
    done: list[_Cells] = [cells] * len(loss)
    for level in range(_LEVELS):
        score = cells.log_score
        more = (special.logsumexp(score, 0) > np.log(loss[which])) & (level < _LEVELS - 1)
        for a in np.flatnonzero(~more):
            done[which[a]] = cells.of(np.array([a]))
        which, cells, score = which[more], cells.of(more), score[:, more]
        if not len(which):
            break
        worst = np.argpartition(-score, _SPLIT[dims], 0)[: _SPLIT[dims]]
        cells = cells.split(worst, partial(density, which=which))
    return done


def propose(cells: Sequence[_Cells], levels: Array, rng: Generator) -> tuple[Array, Array, Array]:
    """Points from the cells of b observations: the centres of their cells and their offsets
    (n, b, D), and the log density (n, b) they are drawn with, up to a constant.

    Args:
        levels: Uniform on [0, 1), with shape (n, b): the share of the mass in cells less dense.
    """
    n = len(levels)
    centre, width, value = [], [], []
    for own, level in zip(cells, levels.T, strict=True):
        order = own.value[:, 0].argsort()
        share = relative(own.log_mass)[order, 0].cumsum()
        index = np.searchsorted(share, level * share[-1], side="right")
        index = order[np.minimum(index, len(share) - 1)]
        centre.append(own.centre[index, 0])
        width.append(own.width[index, 0])
        value.append(own.value[index, 0])
    offset = rng.random((n, len(cells), centre[0].shape[-1])) - 0.5
    return np.stack(centre, 1), offset * np.stack(width, 1), np.stack(value, 1)


def _evidence(
    density: Callable[[Array], Array], cells: Sequence[_Cells], rng: Generator, pairs: int = 128
) -> tuple[Array, Array]:
    """log Z and the relative effective size of proposals, each with shape (b,).

    log Z is that of the midpoint rule, times the mean importance weight of points from the cells:
    pairs of opposite points in a cell, in which the gradient cancels, stratified by density, along
    which the curvature varies.
    """
    levels = (np.arange(pairs)[:, None] + rng.random((pairs, len(cells)))) / pairs
    centre, offset, proposal = propose(cells, levels, rng)
    with np.errstate(invalid="ignore"):
        log_weight = density(np.concatenate([centre + offset, centre - offset]))
        log_weight -= np.concatenate([proposal, proposal])
    log_evidence = np.array([special.logsumexp(own.log_mass) for own in cells])
    failed = ~np.isfinite(log_evidence) | ~(log_weight < np.inf).all(0)
    log_weight[:, failed], log_evidence[failed] = 0.0, np.nan
    log_evidence += special.logsumexp(log_weight, 0) - np.log(2 * pairs)
    share = effective_size(relative(log_weight)) / (2 * pairs)
    return log_evidence, np.where(failed, 1.0, share)


def _difference(value: Array, reference: Array) -> Array:
    """value - reference, where both may be minus infinity: zero there, large where one is."""
    one, other = value == -np.inf, reference == -np.inf
    plain = np.where(one, 0.0, value) - np.where(other, 0.0, reference)
    return np.asarray(np.where(one & other, 0.0, np.where(one | other, 1e3, plain)))


def _grid_spread(value: Array, size: int, dims: int) -> Array:
    """Variance of the log density along each axis of each cell of a regular grid, (size**D, b) ->
    (size**D, b, D), from the steeper of two slopes: to its neighbours, or, at an edge, to the one
    neighbour and on. A single slope vanishes where a peak lies between two centres."""
    grid = value.reshape(*[size] * dims, -1)
    spreads = []
    for axis in range(dims):
        lower, upper = np.take(grid, range(size - 1), axis), np.take(grid, range(1, size), axis)
        step = _difference(upper, lower) ** 2 / 12
        before = np.concatenate([np.take(step, [1], axis), step], axis)
        after = np.concatenate([step, np.take(step, [-2], axis)], axis)
        spreads.append(np.maximum(before, after).reshape(value.shape))
    return np.stack(spreads, -1)


__all__ = ["GridPosterior"]
