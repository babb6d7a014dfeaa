"""Draws and normalised densities from an unnormalised log-density and a prior.

A likelihood, a ratio or a bound `l(theta, x)` gives the posterior

    log p(theta | x) = l(theta, x) + log p(theta) - log Z(x),   Z = E_prior[exp l].

Three ways, all vectorised over observations:

*Adaptive grid*, up to three parameters. In the prior's unit cube q = F(theta) the prior is flat, so
the posterior is proportional to exp l. Starting from a coarse grid, the cells that lose most are
cut in three along the axis on which l varies most. Where l varies within a cell by the variance v,
uniform draws from the cell lose the share v of its mass m in effective size, so the m v are the
score and their sum, relative to the total mass, is the criterion; a cell with v > 1 is not resolved
and scores the mass that its slopes would allow. So any number of modes and any width is found that
the coarse grid has a hint of. Draws are importance resampled with the density at the draws
themselves.

*Pareto-smoothed importance sampling* (Vehtari et al. 2024, JMLR 25:72), above. The proposal is a
multivariate t in the unbounded space u, fitted by tempered population Monte Carlo (Cappé et al.
2008, arXiv 0710.4242) from the prior, widened, and mixed with the prior.

*Differential-evolution MCMC* (ter Braak 2006), for observations whose Pareto shape k-hat exceeds
0.7. Its evidence comes from bridge sampling (Meng & Wong 1996) with a Gaussian mixture.

An observation that cannot be sampled has NaN draws and an effective sample size of zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy import special
from sklearn.mixture import GaussianMixture

from sbipipe.interfaces import Array, Conditioned, Generator, Index, Mask, Prior, Samples
from sbipipe.seeds import stream

Unnormalised = Callable[[Array, Array], Array]
"""`(theta, x) -> log density up to the prior and a constant`, (n, B, D), (B, ...) -> (n, B)."""

GRID_DIMENSIONS = 3
"""Most parameters for which a grid is used."""

NUMBERS = 2**24
"""Bound on (pairs of theta and x) x (numbers in one x) that a density is given at once."""

PAIRS = 2**17
"""Bound on the pairs themselves."""

BLOCK = 256
"""Observations that are worked on together."""

LARGEST_K = 0.7
"""Pareto shape beyond which importance sampling is not trusted."""

_COARSE = {1: 256, 2: 24, 3: 10}
_SPLIT = {1: 32, 2: 128, 3: 384}
_LEVELS = 60
_LOSS = {1: 0.03, 2: 0.03, 3: 0.08}
_LEAST_SHARE = 0.5
_ATTEMPTS = 3


def condition(log_density: Unnormalised, prior: Prior, x: Array) -> Conditioned:
    """The posteriors of the observations x, with shape (B, ...)."""
    kind = GridPosterior if len(prior.names) <= GRID_DIMENSIONS else ImportancePosterior
    return kind(log_density=log_density, prior=prior, x=np.asarray(x))


def evaluate(log_density: Unnormalised, theta: Array, x: Array) -> Array:
    """The log density of theta (n, B, D) given x (B, ...) in bounded memory, with shape (n, B)."""
    n, observations = theta.shape[:2]
    pairs = int(np.clip(NUMBERS // max(1, x[:1].size), 1, PAIRS))
    rows = min(max(observations, 1), pairs)
    points = max(1, pairs // rows)
    values = np.empty((n, observations))
    for b in range(0, observations, rows):
        for i in range(0, n, points):
            part = np.s_[i : i + points, b : b + rows]
            values[part] = log_density(theta[part], x[b : b + rows])
    return values


def resample(weights: Array, n: int, rng: Generator) -> Index:
    """Systematic resampling of each observation's particles, shuffled.

    Args:
        weights: Not negative, with shape (S, B).

    Returns:
        Indices into the first axis, with shape (n, B).
    """
    share = weights.cumsum(0) / weights.sum(0)
    share[-1] = 1.0
    points = (np.arange(n)[:, None] + rng.random(weights.shape[1])) / n
    return _shuffled(_inverse(share, points), rng)


def effective_size(weights: Array) -> Array:
    """Kish's effective number of weighted particles, (S, B) -> (B,)."""
    return np.asarray(weights.sum(0) ** 2 / (weights**2).sum(0))


def _inverse(share: Array, points: Array) -> Index:
    """For each observation, where points (n, B) fall among cumulated shares (S, B)."""
    columns = [np.searchsorted(s, p, side="right") for s, p in zip(share.T, points.T, strict=True)]
    return np.asarray(np.minimum(np.stack(columns, 1), len(share) - 1))


def _shuffled(index: Index, rng: Generator) -> Index:
    return np.asarray(np.take_along_axis(index, rng.random(index.shape).argsort(0), 0))


def _pick(values: Array, index: Index) -> Array:
    """values (S, B) or (S, B, D) at index (n, B)."""
    return np.asarray(
        np.take_along_axis(values, index if values.ndim == 2 else index[..., None], 0)
    )


@dataclass(kw_only=True)
class _FromDensity(ABC):
    """What all ways share: blocks of observations, failures and the normalised density."""

    log_density: Unnormalised
    prior: Prior
    x: Array
    log_evidence: Array = field(init=False)
    """log Z in nats, with shape (B,); NaN for an observation that could not be sampled."""

    def __post_init__(self) -> None:
        self.log_evidence = np.full(len(self.x), np.nan)
        for rows in self._blocks():
            self.log_evidence[rows] = self._prepare(rows)

    @abstractmethod
    def _prepare(self, rows: slice) -> Array:
        """Do the work that all draws share; returns log Z of these observations."""

    @abstractmethod
    def _draw(self, rows: slice, n: int, rng: Generator) -> tuple[Array, Array, Array]:
        """Draws (n, b, D), their l (n, b) and effective sample sizes (b,)."""

    @property
    def failed(self) -> Mask:
        """Observations that could not be sampled, with shape (B,)."""
        return np.asarray(~np.isfinite(self.log_evidence))

    def sample(self, n: int, rng: Generator) -> Samples:
        """n draws for each observation, shuffled."""
        parts = [self._draw(rows, n, rng) for rows in self._blocks()]
        theta = np.concatenate([part[0] for part in parts], 1)
        log_prob = np.concatenate([part[1] for part in parts], 1) - self.log_evidence
        log_prob += self.prior.log_prob(theta)
        size = np.minimum(np.concatenate([part[2] for part in parts]), n)
        lost = self.failed | ~np.isfinite(log_prob).all(0)
        theta[:, lost], log_prob[:, lost], size[lost] = np.nan, np.nan, 0.0
        return Samples(draws=theta, log_prob=log_prob, effective_sample_size=size)

    def log_prob(self, theta: Array) -> Array:
        """Normalised log density in nats, (n, B, D) -> (n, B)."""
        inside = self.prior.inside(theta)
        middle = self.prior.from_unit(np.full(theta.shape[-1], 0.5))
        safe = np.where(inside[..., None], theta, middle)
        values = evaluate(self.log_density, safe, self.x) - self.log_evidence
        values = np.where(inside, values + self.prior.log_prob(safe), -np.inf)
        return np.where(self.failed, np.nan, values)

    def _blocks(self) -> Iterator[slice]:
        yield from (slice(b, b + BLOCK) for b in range(0, len(self.x), BLOCK))


@dataclass(kw_only=True)
class GridPosterior(_FromDensity):
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
            refined = refine(density, cells.of(active), loss[active])
            for b, own in zip(active, refined, strict=True):
                self._cells[rows.start + b] = own
            rng = stream(0, "evidence", rows.start, attempt)
            log_evidence[active], share = _evidence(density, refined, rng)
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
            index = resample(_relative(log_density - proposal), n, rng)
        size = n**2 / (_counts(index, n) ** 2).sum(0)
        return self.prior.from_unit(_pick(q, index)), _pick(log_density, index), size

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
        centre, width = _pick(self.centre, worst), _pick(self.width, worst)
        spread, value = _pick(self.spread, worst), _pick(self.value, worst)
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


def refine(density: Callable[..., Array], coarse: _Cells, loss: Array) -> list[_Cells]:
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
        share = _relative(own.log_mass)[order, 0].cumsum()
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
    share = effective_size(_relative(log_weight)) / (2 * pairs)
    return log_evidence, np.where(failed, 1.0, share)


def _relative(log_weight: Array) -> Array:
    """exp, scaled to a largest value of one in each column; all ones where that is not finite."""
    top = log_weight.max(0)
    good = np.isfinite(top)
    return np.where(good, np.exp(np.where(good, log_weight - np.where(good, top, 0), 0)), 1.0)


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


def _counts(index: Index, size: int) -> Index:
    """How often each of `size` particles was chosen, (n, b) -> (size, b)."""
    return np.stack([np.bincount(column, minlength=size) for column in index.T], 1)


@dataclass(kw_only=True)
class ImportancePosterior(_FromDensity):
    """Posteriors by importance sampling in the unbounded space, and MCMC where that fails.

    Attributes:
        particles: Of each round of adaptation; four times as many estimate the evidence.
        largest_k: Pareto shape beyond which MCMC is run; minus infinity runs it always.
        k_hat: Pareto shape of each observation, with shape (B,).
    """

    particles: int = 1024
    largest_k: float = LARGEST_K
    k_hat: Array = field(init=False)
    _proposals: dict[int, _Proposal] = field(init=False, default_factory=dict)
    _chains: dict[int, _Chain] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.k_hat = np.full(len(self.x), np.nan)
        super().__post_init__()

    def _likelihood(self, u: Array, x: Array) -> Array:
        """l at points of the unbounded space, NaN kept."""
        return evaluate(self.log_density, self.prior.from_unbounded(u), x)

    def _prepare(self, rows: slice) -> Array:
        x, rng = self.x[rows], stream(0, "adapt", rows.start)
        proposal = _adapt(lambda u: self._likelihood(u, x), len(x), self._dims, self.particles, rng)
        self._proposals[rows.start] = proposal
        u = proposal.sample(4 * self.particles, rng)
        log_weight = self._likelihood(u, x) + _log_normal(u) - proposal.log_prob(u)
        failed = ~(log_weight < np.inf).all(0) | (np.isfinite(log_weight).sum(0) < 50)
        log_weight[:, failed] = 0.0
        smoothed, self.k_hat[rows] = _smooth(log_weight)
        self.k_hat[rows][failed] = np.nan
        log_evidence = special.logsumexp(smoothed, 0) - np.log(len(u))
        log_evidence[failed] = np.nan
        poor = np.flatnonzero(~failed & ~(self.k_hat[rows] <= self.largest_k))
        for some in np.array_split(poor, max(1, -(-len(poor) // _CHAINS))):
            if len(some):
                log_evidence[some] = self._run_chains(
                    rows.start + some, u[:, some], smoothed[:, some], rng
                )
        return np.asarray(log_evidence)

    def _run_chains(self, which: Index, u: Array, log_weight: Array, rng: Generator) -> Array:
        """MCMC of b observations from weighted particles u (S, b, D); returns log Z (b,)."""

        def target(points: Array) -> Array:
            return self._likelihood(points, self.x[which]) + _log_normal(points)

        start = _pick(u, resample(_relative(log_weight), _WALKERS, rng))
        chains = _run(target, start, rng)
        self._chains |= dict(zip(which.tolist(), chains, strict=True))
        return np.array(
            [
                _bridge(partial(self._target_of, row), chain, rng)
                if chain.effective_size >= _FEWEST
                else np.nan
                for row, chain in zip(which.tolist(), chains, strict=True)
            ]
        )

    def _target_of(self, row: int, points: Array) -> Array:
        """Log target of one observation at points (n, D), with shape (n,)."""
        value = self._likelihood(points[:, None], self.x[row : row + 1])[:, 0]
        return np.asarray(value + _log_normal(points))

    def _draw(self, rows: slice, n: int, rng: Generator) -> tuple[Array, Array, Array]:
        proposal, x = self._proposals[rows.start], self.x[rows]
        u = proposal.sample(4 * n, rng)
        value = self._likelihood(u, x)
        log_weight = value + _log_normal(u) - proposal.log_prob(u)
        log_weight[:, ~(log_weight < np.inf).all(0)] = -np.inf
        weights = _relative(_smooth(log_weight)[0])
        index = resample(weights, n, rng)
        size = np.minimum(effective_size(weights), n**2 / (_counts(index, 4 * n) ** 2).sum(0))
        draws, value = _pick(u, index), _pick(value, index)
        for b in range(len(x)):
            if (row := rows.start + b) in self._chains:
                draws[:, b], value[:, b], size[b] = self._chains[row].pick(n, rng)
        return self.prior.from_unbounded(draws), value, size

    @property
    def _dims(self) -> int:
        return len(self.prior.names)


_FREEDOM = 5.0
_WIDER = 1.2
_DEFENSIVE = 0.05
_WALKERS = 128
_CHAINS = 64
_FEWEST = 50.0


def _log_normal(u: Array) -> Array:
    """log N(u; 0, I), (..., D) -> (...)."""
    return np.asarray(-0.5 * (u**2 + np.log(2 * np.pi)).sum(-1))


@dataclass(frozen=True, kw_only=True)
class _Proposal:
    """Student t with mean (b, D) and lower Cholesky factor (b, D, D), mixed with the prior."""

    mean: Array
    factor: Array

    def sample(self, n: int, rng: Generator) -> Array:
        """Points with shape (n, b, D)."""
        noise = rng.standard_normal((n, *self.mean.shape))
        chi = rng.chisquare(_FREEDOM, noise.shape[:2]) / _FREEDOM
        scaled = np.einsum("bij,nbj->nbi", self.factor, noise) / np.sqrt(chi)[..., None]
        return np.where((rng.random(chi.shape) < _DEFENSIVE)[..., None], noise, self.mean + scaled)

    def log_prob(self, u: Array) -> Array:
        """Log density of points (n, b, D), with shape (n, b)."""
        dims = u.shape[-1]
        inverse = np.linalg.inv(self.factor)
        distance = (np.einsum("bij,nbj->nbi", inverse, u - self.mean) ** 2).sum(-1)
        student = -0.5 * (_FREEDOM + dims) * np.log1p(distance / _FREEDOM)
        student += special.gammaln((_FREEDOM + dims) / 2) - special.gammaln(_FREEDOM / 2)
        student -= 0.5 * dims * np.log(_FREEDOM * np.pi)
        student -= np.log(np.diagonal(self.factor, axis1=1, axis2=2)).sum(-1)
        prior = np.log(_DEFENSIVE) + _log_normal(u)
        return np.asarray(np.logaddexp(np.log1p(-_DEFENSIVE) + student, prior))


def _adapt(
    likelihood: Callable[[Array], Array],
    observations: int,
    dims: int,
    particles: int,
    rng: Generator,
    rounds: int = 30,
) -> _Proposal:
    """Fit the proposal while the likelihood's power beta rises from 0 to 1.

    Each round takes the largest beta that leaves a fifth of the particles effective; three rounds
    follow at beta = 1.
    """
    eye = np.broadcast_to(np.eye(dims), (observations, dims, dims))
    proposal = _Proposal(mean=np.zeros((observations, dims)), factor=eye.copy())
    settled = 0
    beta: Array = np.zeros(observations)
    for _ in range(rounds):
        u = proposal.sample(particles, rng)
        value = np.nan_to_num(likelihood(u), nan=-np.inf, posinf=-np.inf)
        base = _log_normal(u) - proposal.log_prob(u)
        beta = _next_power(base, value, beta, particles / 5)
        weights = _relative(base + _tempered(value, beta))
        proposal = _fit(u, weights / weights.sum(0))
        settled += bool((beta == 1).all())
        if settled > 3:
            break
    return proposal


def _tempered(value: Array, beta: Array) -> Array:
    """beta * value, minus infinity where value is and beta is positive."""
    return np.where(value == -np.inf, -np.inf, beta * np.where(value == -np.inf, 0.0, value))


def _next_power(base: Array, value: Array, beta: Array, least: float) -> Array:
    """The largest power in (beta, 1] with at least `least` effective particles, by bisection."""
    lower, upper = beta.copy(), np.ones_like(beta)
    for step in range(30):
        middle = upper if step == 0 else 0.5 * (lower + upper)
        enough = effective_size(_relative(base + _tempered(value, middle))) >= least
        if step == 0:
            lower = np.where(enough, 1.0, lower)
        else:
            lower, upper = np.where(enough, middle, lower), np.where(enough, upper, middle)
    return lower


def _fit(u: Array, weights: Array) -> _Proposal:
    """Widened moments of particles (n, b, D) with weights (n, b)."""
    mean = np.einsum("nb,nbi->bi", weights, u)
    centred = u - mean
    covariance = np.einsum("nb,nbi,nbj->bij", weights, centred, centred)
    scale = np.maximum(np.einsum("bii->b", covariance) / u.shape[-1], 1e-12)
    covariance += 1e-6 * scale[:, None, None] * np.eye(u.shape[-1])
    shrink = (_FREEDOM - 2) / _FREEDOM
    return _Proposal(mean=mean, factor=np.linalg.cholesky(_WIDER**2 * shrink * covariance))


def _smooth(log_weight: Array) -> tuple[Array, Array]:
    """Pareto-smoothed log weights (S, b), not normalised, and k-hat (b,)."""
    import arviz  # seconds to import, and a grid needs none of it

    top = log_weight.max(0)
    floor = np.maximum(log_weight, np.where(np.isfinite(top), top, 0.0) - 700.0)
    smoothed, k_hat = arviz.psislw(  # type: ignore[no-untyped-call]
        floor.T.copy(), normalize=False
    )
    return smoothed.T, np.atleast_1d(np.asarray(k_hat))


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """MCMC draws u (N, D) of one observation, with their log target (N,)."""

    u: Array
    target: Array
    effective_size: float

    def pick(self, n: int, rng: Generator) -> tuple[Array, Array, float]:
        """n draws, their l, and the effective sample size."""
        index = rng.choice(len(self.u), n, replace=n > len(self.u))
        u = self.u[index]
        return u, self.target[index] - _log_normal(u), min(n, self.effective_size)


def _run(
    target: Callable[[Array], Array],
    u: Array,
    rng: Generator,
    warm_up: int = 300,
    steps: int = 400,
    attempts: int = 3,
) -> list[_Chain]:
    """Chains of b observations from walkers u (W, b, D).

    Runs to stationarity, then `steps` more, and again from there with twice the steps until every
    effective size is 1,000 or attempts run out.
    """
    state, _ = _walk(target, (u, target(u)), warm_up, rng)
    for attempt in range(attempts):
        state, trace = _walk(target, state, steps * 2**attempt, rng, every=5 * 2**attempt)
        sizes = [_chain_size(trace[:, :, b]) for b in range(u.shape[1])]
        if min(sizes) >= 1000:
            break
    points = trace.reshape(-1, *u.shape[1:])
    values = target(points)
    return [
        _Chain(u=points[:, b], target=values[:, b], effective_size=size)
        for b, size in enumerate(sizes)
    ]


def _chain_size(trace: Array) -> float:
    """Smallest effective sample size of the parameters, from (steps, W, D)."""
    import arviz

    chains = np.moveaxis(trace, 2, 0).swapaxes(1, 2)
    sizes = [float(arviz.ess(own)) for own in chains]  # type: ignore[no-untyped-call]
    return float(np.nan_to_num(sizes).min())


def _walk(
    target: Callable[[Array], Array],
    state: tuple[Array, Array],
    steps: int,
    rng: Generator,
    every: int = 5,
) -> tuple[tuple[Array, Array], Array]:
    """Differential evolution of walkers (W, b, D); every `every`-th state is kept.

    Each half of the walkers moves along differences of the other half, which keeps detailed
    balance; every tenth time by a whole difference, which carries it between modes.
    """
    u, value = state[0].copy(), state[1].copy()
    walkers, _, dims = u.shape
    halves = np.arange(walkers).reshape(2, -1)
    trace = []
    for step in range(steps):
        scale = 1.0 if step % 10 == 9 else 2.38 / np.sqrt(2 * dims)
        for own, other in (halves, halves[::-1]):
            first = rng.permutation(other)
            difference = u[first] - u[np.roll(first, 1)]
            noise = 1e-4 * np.abs(difference) * rng.standard_normal(difference.shape)
            proposal = u[own] + scale * difference + noise
            new = target(proposal)
            accept = np.log(rng.random(new.shape)) < new - value[own]
            u[own] = np.where(accept[..., None], proposal, u[own])
            value[own] = np.where(accept, new, value[own])
        if step % every == every - 1:
            trace.append(u.copy())
    return (u, value), np.stack(trace) if trace else u[:0, None]


def _bridge(target: Callable[[Array], Array], chain: _Chain, rng: Generator) -> float:
    """log Z by bridge sampling between the chain and a Gaussian mixture fitted to half of it."""
    order = rng.permutation(len(chain.u))
    fitted, kept = order[::2], order[1::2]
    seed = int(rng.integers(2**31))
    mixture = GaussianMixture(4, random_state=seed, reg_covar=1e-9).fit(chain.u[fitted])
    points, _ = mixture.sample(len(kept))
    points = np.asarray(points)
    posterior = chain.target[kept] - mixture.score_samples(chain.u[kept])
    proposed = target(points) - mixture.score_samples(points)
    log_size = np.log(min(chain.effective_size, len(kept)))
    log_other = np.log(len(points))
    log_z = float(special.logsumexp(proposed) - log_other)
    for _ in range(1000):
        above = special.logsumexp(proposed - np.logaddexp(log_size + proposed, log_other + log_z))
        below = special.logsumexp(-np.logaddexp(log_size + posterior, log_other + log_z))
        new = float(above - np.log(len(points)) - below + np.log(len(kept)))
        if abs(new - log_z) < 1e-10:
            break
        log_z = new
    return log_z


__all__ = [
    "GridPosterior",
    "ImportancePosterior",
    "Unnormalised",
    "condition",
    "effective_size",
    "evaluate",
    "resample",
]
