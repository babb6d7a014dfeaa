"""Boxes that fill the unit cube, cut finer where a log density varies.

Starting from a coarse grid, the cells that lose most are cut in three along the axis on which l
varies most. Where l varies within a cell by the variance v, uniform draws from the cell lose the
share v of its mass m in effective size, so the m v are the score and their sum, relative to the
total mass, is the criterion; a cell with v > 1 is not resolved and scores the mass that its slopes
would allow.

A grid alone finds what its centres have a hint of. **Seeds** are further points at which l is
known: each cell carries the highest of those that lie in it. While that one is above the centre by
more than half a nat, the cell scores the mass that the cell in which the seed was put would have at
that height, and is cut where it closes in on the seed. So a spike is found that one point has hit,
however narrow it is within its cell, and cells may be sown again after they were cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import special

from sbipipe.interfaces import Array, Generator, Index, Mask
from sbipipe.sampling.particles import pick, relative

_COARSE = {1: 256, 2: 24, 3: 12}
_SPLIT = {1: 32, 2: 128, 3: 384}
_LEVELS = 60
_CUTS = 10
_SURPRISE = 0.5
"""Nats by which a seed may be above the centre of its cell."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Boxes of the unit cube, for each of b observations.

    Attributes:
        centre: The middle of each cell, with shape (m, b, D).
        width: The sides of each cell, with shape (m, b, D).
        spread: The variance of the log density along each axis of the cell, with shape (m, b, D).
        value: The log density at the centre, with shape (m, b).
        seed: The best other known point of the cell, with shape (m, b, D).
        height: The log density at the seed, with shape (m, b); minus infinity without a seed.
        claim: Log of the mass that the cell in which the seed was put has at that height, with
            shape (m, b).
    """

    centre: Array
    width: Array
    spread: Array
    value: Array
    seed: Array
    height: Array
    claim: Array

    def of(self, which: Index | Mask) -> Cells:
        """The cells of these observations."""
        return Cells(**{name: values[:, which] for name, values in vars(self).items()})

    @property
    def log_mass(self) -> Array:
        """Of each cell by the midpoint rule, with shape (m, b)."""
        return np.asarray(self.value + self._log_volume)

    @property
    def log_score(self) -> Array:
        """Log of the share of the draws that is lost in each cell, with shape (m, b): m v where
        v < 1, and elsewhere the most that the slopes or the seed allow."""
        variance, log_mass = self.spread.sum(-1), self.log_mass
        total = special.logsumexp(log_mass, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            rise = np.where(variance < 1, np.log(variance), np.sqrt(3 * self.spread).sum(-1))
            score = log_mass - total + rise
            seeded = self.claim - total
        return np.asarray(np.where(self.surprised, np.fmax(score, seeded), score))

    @property
    def surprised(self) -> Mask:
        """Whether a seed is far above the centre of its cell, with shape (m, b)."""
        return np.asarray(self.height > self.value + _SURPRISE)

    def missed(self, q: Array, height: Array) -> float:
        """The most mass, relative to that of all cells, that one of the points (n, D), with log
        densities (n,), shows to be missing from its cell. For the cells of one observation."""
        cell = locate(self, q)
        seen = height > self.value[cell, 0] + _SURPRISE
        mass = (height + self._log_volume[cell, 0])[seen].max(initial=-np.inf)
        total = special.logsumexp(self.log_mass)
        return 1.0 if mass > total else float(np.exp(mass - total)) if mass > -np.inf else 0.0

    @property
    def _log_volume(self) -> Array:
        return np.asarray(np.log(self.width).sum(-1))

    def sown(self, seeds: Array, height: Array, cell: Index) -> Cells:
        """The same cells, each with the highest of its own seed and of these (n, b, D), whose log
        densities are (n, b), and which lie in the cells (n, b)."""
        order = height.argsort(0)
        index = np.take_along_axis(cell, order, 0)
        height = pick(height, order)
        best, seed = self.height.copy(), self.seed.copy()
        column = np.broadcast_to(np.arange(height.shape[1]), height.shape)
        better = height > best[index, column]
        best[index[better], column[better]] = height[better]  # in rising order, so the last is best
        seed[index[better], column[better]] = pick(seeds, order)[better]
        claim = np.where(best > self.height, best + self._log_volume, self.claim)
        return replace(self, height=best, seed=seed, claim=claim)

    def split(self, worst: Index, density: Callable[[Array], Array]) -> Cells:
        """Cut the cells `worst` (k, b) in three along the axis of their largest spread, or, where
        that shows nothing of a surprising seed, on which the seed is farthest from the centre."""
        parent = Cells(**{name: pick(values, worst) for name, values in vars(self).items()})
        away = np.abs(parent.seed - parent.centre) / parent.width
        hidden = parent.surprised & (parent.spread.sum(-1) < 1)
        lead = np.where(hidden[..., None], away, parent.spread)
        along = np.eye(self.centre.shape[-1], dtype=bool)[lead.argmax(-1)]
        width = np.where(along, parent.width / 3, parent.width)
        step = np.where(along, width, 0.0)
        side = np.rint(np.where(along, (parent.seed - parent.centre) / width, 0.0).sum(-1))
        outer = np.concatenate([parent.centre - step, parent.centre + step])
        new = density(outer)
        slope = difference(new, np.concatenate([parent.value, parent.value])) ** 2 / 12
        slope = np.maximum(*np.split(slope, 2))[..., None]
        spread = np.where(along, slope, parent.spread)
        centres, values = (parent.centre, *np.split(outer, 2)), (parent.value, *np.split(new, 2))
        cut = replace(parent, width=width, spread=spread)
        middle, *sides = (
            replace(cut, centre=centre, value=v)._seeded(side == third)
            for third, centre, v in zip((0, -1, 1), centres, values, strict=True)
        )
        return self._with(worst, middle, _join(*sides))

    def _seeded(self, keeps: Mask) -> Cells:
        """The same with a seed only where it `keeps` it, (m, b). One that surprises shows how steep
        l is: so steep it may be along every axis."""
        height, claim = (np.where(keeps, values, -np.inf) for values in (self.height, self.claim))
        kept = replace(self, height=height, claim=claim)
        away = np.linalg.norm(self.seed - self.centre, axis=-1)
        rise = np.where(kept.surprised, difference(height, self.value), 0.0)
        steep = (rise / np.maximum(away, np.finfo(float).tiny))[..., None]
        return replace(kept, spread=np.maximum(kept.spread, (steep * self.width) ** 2 / 12))

    def _with(self, worst: Index, middle: Cells, outer: Cells) -> Cells:
        """The middle third in its parent's place, the outer thirds at the end."""
        own = {}
        for name, values in vars(self).items():
            own[name] = values.copy()
            place = worst[..., None] if values.ndim == 3 else worst
            np.put_along_axis(own[name], place, getattr(middle, name), 0)
        return _join(Cells(**own), outer)


def _join(first: Cells, second: Cells) -> Cells:
    pairs = ((name, (values, getattr(second, name))) for name, values in vars(first).items())
    return Cells(**{name: np.concatenate(both) for name, both in pairs})


def coarse_cells(
    density: Callable[[Array], Array], dims: int, seeds: Array, height: Array
) -> Cells:
    """A regular grid with seeds.

    Args:
        density: Of points (n, b, D), with shape (n, b).
        seeds: With shape (n, b, D).
        height: The log densities at the seeds, with shape (n, b).
    """
    size = _COARSE[dims]
    axis = (np.arange(size) + 0.5) / size
    grid = np.stack(np.meshgrid(*[axis] * dims, indexing="ij"), -1).reshape(-1, 1, dims)
    centre = np.repeat(grid, seeds.shape[1], 1)
    value, none = density(centre), np.full(centre.shape[:2], -np.inf)
    regular = Cells(
        centre=centre,
        width=np.full(centre.shape, 1 / size),
        spread=_grid_spread(value, size, dims),
        value=value,
        seed=centre,
        height=none,
        claim=none,
    )
    return regular.sown(seeds, height, _coarse_place(seeds))


def evaluations(dims: int) -> int:
    """About so many evaluations of a density cut the cube for a posterior without surprises."""
    return int(_COARSE[dims] ** dims) + 2 * _SPLIT[dims] * _CUTS


def subdivide(density: Callable[..., Array], cells: Cells, loss: Array) -> list[Cells]:
    """Split the worst cells of each observation until at most the share `loss` (b,) is lost.

    Args:
        density: `(q (n, a, D), which (a,)) -> (n, a)`, of the observations `which`.

    Returns:
        The cells of each observation; values of NaN where one cannot be sampled.
    """
    dims, which = cells.centre.shape[-1], np.arange(len(loss))
    done: list[Cells] = [cells] * len(loss)
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


def propose(cells: Sequence[Cells], levels: Array, rng: Generator) -> tuple[Array, Array, Array]:
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


def locate(own: Cells, q: Array) -> Index:
    """The number of the cell in which each point lies, of the cells of one observation and points
    (n, D) of the cube, with shape (n,)."""
    centre, reach = own.centre[:, 0], own.width[:, 0] / 2
    home, place = _coarse_place(centre), _coarse_place(q)
    order = home.argsort()
    first, last = (np.searchsorted(home[order], place, side) for side in ("left", "right"))
    count = last - first
    point = np.repeat(np.arange(len(q)), count)
    cell = order[first[point] + np.arange(len(point)) - np.repeat(count.cumsum() - count, count)]
    for axis in range(q.shape[1]):
        away = np.abs(q[:, axis][point] - centre[:, axis][cell])
        inside = away <= (reach[:, axis] * (1 + 1e-9))[cell]
        point, cell = point[inside], cell[inside]
    found = np.full(len(q), -1)
    found[point] = cell
    for lost in np.flatnonzero(found < 0):  # on an edge, where rounding puts it into no cell
        found[lost] = (np.abs(q[lost] - centre) / reach).max(-1).argmin()
    return found


def _coarse_place(q: Array) -> Index:
    """The number of the cell of the coarse grid in which points (..., D) lie."""
    dims = q.shape[-1]
    sides = np.full(dims, _COARSE[dims])
    place = np.minimum((q * sides).astype(int), sides - 1)
    return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(place, -1, 0)), tuple(sides)))


def difference(value: Array, reference: Array) -> Array:
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
        step = difference(upper, lower) ** 2 / 12
        before = np.concatenate([np.take(step, [1], axis), step], axis)
        after = np.concatenate([step, np.take(step, [-2], axis)], axis)
        spreads.append(np.maximum(before, after).reshape(value.shape))
    return np.stack(spreads, -1)


__all__ = ["Cells", "coarse_cells", "difference", "evaluations", "locate", "propose", "subdivide"]
