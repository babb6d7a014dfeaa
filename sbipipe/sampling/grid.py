"""Draws by an adaptive grid, for up to three parameters.

In the prior's unit cube q = F(theta) the prior is flat, so the posterior is proportional to exp l.
The cube is cut into cells (`cells`), whose seeds are points spread evenly over the prior; where a
density near the posterior is known, fewer of these, and draws of that. Draws are importance
resampled with the density at the draws themselves.

**A second opinion on log Z.** With g the grid's density and G its integral, n_1 points from g / G
and n_2 even ones that the grid has not seen have the density m = (n_1 g / G + n_2) / (n_1 + n_2),
and

    Z = G + mean over these points of  (exp l - g) / m

(the balance heuristic of Veach & Guibas 1995 with g as control variate). Where this is not the
grid's own log Z, the points have hit what the grid has missed: they become seeds of its cells,
which are cut on, and an observation whose two estimates never agree counts as one that could not be
sampled. A spike that straddles two coarse cells may be resolved in one of them: points from around
the cells are seeds, too, where they show mass that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from sbipipe.interfaces import Array, Generator, Index, Mask
from sbipipe.sampling.cells import (
    Cells,
    coarse_cells,
    evaluations,
    locate,
    propose,
    subdivide,
)
from sbipipe.sampling.even import even_points
from sbipipe.sampling.near import Near, begin
from sbipipe.sampling.particles import counts, effective_size, pick, relative, resample
from sbipipe.sampling.unnormalised import FromDensity, agree, evaluate
from sbipipe.seeds import stream

_LOSS = {1: 0.03, 2: 0.03, 3: 0.08}
_LEAST_SHARE = 0.5
_ATTEMPTS = 5
_SEEDS = {1: 1024, 2: 4096, 3: 16384}
_SEEDS_BESIDE = {1: 512, 2: 1024, 3: 4096}
"""Beside draws of a density near the posterior."""

_FRESH = {1: 256, 2: 1024, 3: 2048}
_PAIRS = 128
_EDGE = 192
_MISSED = 0.1
"""Share of the mass that a point may show to be missing."""


@dataclass(kw_only=True)
class GridPosterior(FromDensity):
    """Posteriors on adaptive grids, for up to three parameters.

    Attributes:
        near: What draws from densities near the posteriors; None where nothing does.
    """

    near: Near | None = None
    _cells: list[Cells] = field(init=False, default_factory=list)

    @property
    def _search(self) -> float:
        dims = self._dims
        return evaluations(dims) + self._seeds[dims] + _FRESH[dims] + _EDGE + 2 * _PAIRS

    def _prepare(self, rows: slice) -> Array:
        x = self.x[rows]
        loss = np.full(len(x), _LOSS[self._dims])
        log_evidence, active = np.full(len(x), np.nan), np.arange(len(x))
        seeds = self._even(self._seeds, 0, len(x))
        if self.near:
            draws = self.prior.from_unbounded(begin(self.near, x))
            seeds = np.concatenate([seeds, np.clip(self.prior.to_unit(draws), 0, 1)])
        whole = self._in_cube(x)
        height = whole(seeds)
        split = subdivide(whole, coarse_cells(whole, self._dims, seeds, height), loss)
        self._cells += split
        for attempt in range(_ATTEMPTS):
            density, rng = self._in_cube(x[active]), stream(0, "evidence", rows.start, attempt)
            found, points = _evidence(density, split, rng), self._fresh(split, attempt, rng)
            seen = density(points)
            log_evidence[active] = found.log_evidence
            even = len(points) - _EDGE
            differ = found.differs(split, points[:even], seen[:even])
            log_evidence[active[differ]] = np.nan
            poor = found.share < _LEAST_SHARE
            loss[active[poor]] /= 5
            again = poor | differ | _missed(split, points[even:], seen[even:])
            if attempt == _ATTEMPTS - 1 or not again.any():
                break
            split = self._again(x[active], split, points, seen, loss[active], again)
            active = active[again]
            for b, one in zip(active, split, strict=True):
                self._cells[rows.start + b] = one
        log_evidence[~(height < np.inf).all(0)] = np.nan
        return log_evidence

    def _again(
        self,
        x: Array,
        cells: Sequence[Cells],
        points: Array,
        height: Array,
        loss: Array,
        which: Mask,
    ) -> list[Cells]:
        """The cells of the observations `which`, cut on where these points (n, b, D) with log
        densities (n, b) lie above them, until no more than `loss` (b,) is lost."""
        found = []
        for b in map(int, np.flatnonzero(which)):
            own, (seeds, at) = cells[b], (points[:, [b]], height[:, [b]])
            sown = own.sown(seeds, at, locate(own, seeds[:, 0])[:, None])
            found += subdivide(self._in_cube(x[[b]]), sown, loss[[b]])
        return found

    def _fresh(self, cells: Sequence[Cells], attempt: int, rng: Generator) -> Array:
        """Points that the cells of b observations have not seen, with shape (n, b, D): even ones,
        and the last `_EDGE` around the cells, from boxes three times as wide."""
        centre, offset, _ = propose(cells, rng.random((_EDGE, len(cells))), rng)
        even = self._even(_FRESH, 1 + attempt, len(cells))
        return np.concatenate([even, np.clip(centre + 3 * offset, 0, 1)])

    def _even(self, count: Mapping[int, int], scramble: int, observations: int) -> Array:
        """The same points for all observations, with shape (n, b, D)."""
        points = even_points(count[self._dims], self._dims, scramble)
        return np.asarray(points[:, None].repeat(observations, 1))

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

    @property
    def _seeds(self) -> Mapping[int, int]:
        """The even seeds, by the number of parameters."""
        return _SEEDS_BESIDE if self.near else _SEEDS

    @property
    def _dims(self) -> int:
        return len(self.prior.names)


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What points drawn from the cells of b observations say of them.

    Attributes:
        midpoint: log Z by the midpoint rule, with shape (b,); NaN for an observation that cannot
            be sampled.
        ratio: exp l / g at the points, with shape (n, b).
        density: g / G at the points, relative to the prior, with shape (n, b).
    """

    midpoint: Array
    ratio: Array
    density: Array

    @property
    def log_evidence(self) -> Array:
        """log Z: the midpoint rule times the mean ratio, with shape (b,)."""
        return np.asarray(self.midpoint + np.log(self.ratio.mean(0)))

    @property
    def error(self) -> Array:
        """The standard error of log Z, with shape (b,)."""
        return np.asarray(self.ratio.std(0) / self.ratio.mean(0) / np.sqrt(len(self.ratio)))

    @property
    def share(self) -> Array:
        """The relative effective size of the points, with shape (b,)."""
        return effective_size(self.ratio) / len(self.ratio)

    def differs(self, cells: Sequence[Cells], fresh: Array, height: Array) -> Mask:
        """Whether log Z with fresh points is another, with shape (b,)."""
        with np.errstate(invalid="ignore"):
            other = self.second(cells, fresh, height)
        return ~agree(self.log_evidence, other, self.error)

    def second(self, cells: Sequence[Cells], fresh: Array, height: Array) -> Array:
        """log Z from these points and fresh ones (n, b, D), log densities (n, b); shape (b,)."""
        n_1, n_2 = len(self.ratio), len(fresh)
        mixture = (n_1 * self.density + n_2) / (n_1 + n_2)
        total = ((self.ratio - 1) * self.density / mixture).sum(0)
        for b, own in enumerate(cells):
            density = np.exp(height[:, b] - self.midpoint[b])
            gridded = np.exp(own.value[locate(own, fresh[:, b]), 0] - self.midpoint[b])
            total[b] += ((density - gridded) / (n_1 * gridded + n_2)).sum() * (n_1 + n_2)
        return np.asarray(self.midpoint + np.log1p(total / (n_1 + n_2)))


def _evidence(
    density: Callable[[Array], Array], cells: Sequence[Cells], rng: Generator, pairs: int = _PAIRS
) -> _Evidence:
    """From pairs of opposite points in a cell, in which the gradient cancels, stratified by
    density, along which the curvature varies."""
    levels = (np.arange(pairs)[:, None] + rng.random((pairs, len(cells)))) / pairs
    centre, offset, value = propose(cells, levels, rng)
    value = np.concatenate([value, value])
    midpoint = np.array([special.logsumexp(own.log_mass) for own in cells])
    with np.errstate(invalid="ignore"):
        log_ratio = density(np.concatenate([centre + offset, centre - offset])) - value
        failed = ~np.isfinite(midpoint) | ~(log_ratio < np.inf).all(0)
        log_ratio[:, failed], midpoint[failed] = 0.0, np.nan
        return _Evidence(
            midpoint=midpoint, ratio=np.exp(log_ratio), density=np.exp(value - midpoint)
        )


def _missed(cells: Sequence[Cells], points: Array, height: Array) -> Mask:
    """Whether points (n, b, D) show that mass is missing, with shape (b,)."""
    pairs = enumerate(cells)
    found = [one.missed(points[:, b], height[:, b]) for b, one in pairs]
    return np.asarray(np.array(found) > _MISSED)


__all__ = ["GridPosterior"]
