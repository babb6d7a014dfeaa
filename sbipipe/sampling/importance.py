"""Draws by Pareto-smoothed importance sampling, for any number of parameters.

The proposal is a density in the unbounded space u, where the prior is a standard normal. One that
is known to be near the posterior is tried first. Where only draws near it are known, several
multivariate t are that are like them. Where these do not do, or nothing is known, it is one t that
is fitted by population Monte Carlo (`mixture`). The weights are Pareto-smoothed (Vehtari et al.
2024, JMLR 25:72). Where their shape k-hat exceeds 0.5, or few of them are effective, a mixture of
many t takes over, and an observation whose k-hat exceeds 0.7 then is left to MCMC (`chains`).

**With few parameters** a grid is at hand for where what is known does not do; and what draws near
the posterior do not know of may be looked for. With n_1 particles of the proposal q and n_2 points
spread evenly over the prior p,

    Z = sum over both of  p exp l / (n_1 q + n_2 p)

(the balance heuristic of Veach & Guibas 1995). Where that is not the Z of the particles alone, the
even points have hit what the proposal does not cover.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy import special

from sbipipe.interfaces import Array, Generator, Index, Mask
from sbipipe.progress import announce
from sbipipe.sampling.chains import TOGETHER, Chain, evaluations, evidence, run, walkers
from sbipipe.sampling.even import even_points
from sbipipe.sampling.mixture import Mixture, adapt, around, like, refine, the_prior
from sbipipe.sampling.near import Near, Proposal, begin
from sbipipe.sampling.pareto import LARGEST_K, smooth
from sbipipe.sampling.particles import counts, effective_size, log_normal, pick, relative, resample
from sbipipe.sampling.unnormalised import FromDensity, agree, evaluate
from sbipipe.sampling.weighed import MOST, POOLS, Weighed, weighed
from sbipipe.seeds import stream

EASIEST_K = 0.3
"""Pareto shape up to which a few particles do, if a third of them are effective."""

EASY_K = 0.5
"""The same, if half of them are; beyond it weights have no variance, and one component does not
do."""

AROUND = 8
"""Components that are like draws near the posterior."""

_EVEN = {1: 256, 2: 1024, 3: 2048}
"""Even points, by the number of parameters."""

_MANY_TOGETHER = 32
"""Observations whose many components are fitted together, which bounds memory."""

_PARTS = 2**22
"""Densities of components at weighted draws that are found at once, which bounds memory, too."""

_ROUNDS = 5
"""About so many rounds a proposal adapts in, to a posterior without surprises."""

_RISING = 15
"""About so many rounds many components take."""


@dataclass(kw_only=True)
class ImportancePosterior(FromDensity):
    """Posteriors by importance sampling in the unbounded space, and MCMC where that fails.

    Attributes:
        particles: The number in each round of adaptation, at most, and of those that estimate the
            evidence; four times as many do where few of them are effective.
        near: Draws near the posteriors, tried before anything adapts; None begins with the prior.
        proposal: A density near the posteriors, tried before all others, with half the particles.
        otherwise: `(x=observations)`, the posteriors of those for which the proposal does not do;
            None searches for them here.
        largest_k: Pareto shape beyond which MCMC is run; minus infinity runs it always.
        k_hat: Pareto shape of each observation, with shape (B,).
    """

    particles: int = 1024
    near: Near | None = None
    proposal: Proposal | None = None
    otherwise: Callable[..., FromDensity] | None = None
    largest_k: float = LARGEST_K
    k_hat: Array = field(init=False)
    _pools: Array = field(init=False)
    _sources: dict[int, list[_Source]] = field(init=False, default_factory=dict)
    _chains: dict[int, Chain] = field(init=False, default_factory=dict)
    _others: dict[int, tuple[Index, FromDensity]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.k_hat = np.full(len(self.x), np.nan)
        self._pools = np.full(len(self.x), POOLS[-1])
        super().__post_init__()

    @property
    def _search(self) -> float:
        if self.proposal:
            return self.particles / 2
        return (1 if self.near else _ROUNDS) * self._adapting + self.particles

    @property
    def _per_draw(self) -> float:
        return float(self._pools.mean())

    def _likelihood(self, u: Array, x: Array) -> Array:
        """l at points of the unbounded space, NaN kept."""
        return evaluate(self.log_density, self.prior.from_unbounded(u), x)

    def _given(self, x: Array) -> Callable[[Array, Index], Array]:
        """`(u (n, a, D), which (a,)) -> l (n, a)` of the observations x[which]."""
        return lambda u, which: self._likelihood(u, x[which])

    def _prepare(self, rows: slice) -> Array:
        x, log_evidence = self.x[rows], np.full(len(self.x[rows]), np.nan)
        self._sources[rows.start] = []
        left: Index = np.arange(len(x))
        if self.proposal:
            rng = stream(0, "proposal", rows.start)
            left = self._where_easy(rows, left, None, self.particles // 2, rng, log_evidence)
        if self.otherwise and len(left):
            other = self.otherwise(x=x[left])
            self._others[rows.start] = left, other
            log_evidence[left] = other.log_evidence
            return log_evidence
        start = the_prior(len(left), self._dims)
        if self.near and len(left):
            draws, tried = begin(self.near, x[left]), left
            rng = stream(0, "near", rows.start)
            mixture = around(draws, np.ones(draws.shape[:2]), AROUND, rng)
            left = self._where_easy(rows, tried, mixture, self.particles, rng, log_evidence)
            start = like(draws).of(np.isin(tried, left))
        if len(left):
            log_evidence[left] = self._adapted(rows, left, start)
        return log_evidence

    def _where_easy(
        self,
        rows: slice,
        which: Index,
        mixture: Mixture | None,
        n: int,
        rng: Generator,
        log_evidence: Array,
    ) -> Index:
        """Keep n particles of a mixture, or of the proposal, for those of the observations `which`
        of a block for which they do, and write their log Z; returns the others."""
        x = self.x[rows][which]
        u, value, ratio = self._drawn(mixture, x, n, rng)
        found = weighed(u, value - ratio)
        easy = self._easy(found)
        if self.otherwise and self.proposal and not self.proposal.covers:
            easy &= self._covered(x, value, ratio, found)
        own = None if mixture is None else mixture.of(easy)
        log_evidence[which[easy]] = self._keep(rows, which[easy], own, found.of(easy))
        return which[~easy]

    def _covered(self, x: Array, value: Array, ratio: Array, found: Weighed) -> Mask:
        """Whether even points show nothing that the proposal does not cover, with shape (b,).

        Args:
            value: l at its particles, with shape (n, b).
            ratio: log q - log p there.
        """
        assert self.proposal
        q = even_points(_EVEN[self._dims], self._dims)
        theta = self.prior.from_unit(q[:, None].repeat(len(x), 1))
        even = evaluate(self.proposal.log_ratios, theta, x, several=2)
        n, m = len(value), len(q)
        values, ratios = np.concatenate([np.stack([value, ratio]), even], 1)
        both = special.logsumexp(values - np.logaddexp(np.log(n) + ratios, np.log(m)), 0)
        share = effective_size(relative(found.log_weight)) / n
        error = np.sqrt(np.maximum(1 / share - 1, 0) / n)
        return agree(found.log_evidence, both, error)

    def _adapted(self, rows: slice, which: Index, start: Mixture) -> Array:
        """log Z (b,) of the observations `which` of a block, by one component that adapts."""
        x, rng = self.x[rows][which], stream(0, "adapt", rows.start)
        mixture = adapt(self._given(x), start, self._adapting, rng)
        found = self._weigh(mixture, x, self.particles, stream(0, "weigh", rows.start))
        log_evidence = self._keep(rows, which, mixture, found)
        hard = np.flatnonzero(~self._easy(found))
        if len(hard):
            again = self._weigh(mixture.of(hard), x[hard], 4 * self.particles, rng)
            log_evidence[hard] = self._keep(rows, which[hard], mixture.of(hard), again)
            enough = (again.k_hat <= min(self.largest_k, EASY_K)) & (again.pool <= MOST)
            poor = np.flatnonzero(np.isfinite(again.log_evidence) & ~enough)
            for some in np.array_split(hard[poor], -(-len(poor) // _MANY_TOGETHER) or 1):
                if len(some):
                    log_evidence[some] = self._with_many(rows, which[some], rng)
        return log_evidence

    def _with_many(self, rows: slice, which: Index, rng: Generator) -> Array:
        """log Z (b,) of observations for which one component does not do."""
        x = self.x[rows][which]
        announce(len(x) * _RISING * 4 * self.particles)
        mixture = refine(self._given(x), len(x), self._dims, 4 * self.particles, rng)
        again = self._weigh(mixture, x, 4 * self.particles, rng)
        better = np.flatnonzero(again.k_hat <= self.largest_k)
        self._keep(rows, which[better], mixture.of(better), again.of(better))
        log_evidence = again.log_evidence
        self.k_hat[rows.start + which] = again.k_hat
        poor = np.setdiff1d(np.arange(len(which)), better)
        for some in np.array_split(poor, max(1, -(-len(poor) // TOGETHER))):
            if len(some):
                log_evidence[some] = self._run_chains(rows.start + which[some], again.of(some), rng)
        return log_evidence

    def _keep(self, rows: slice, which: Index, mixture: Mixture | None, found: Weighed) -> Array:
        """Draw these observations from this, and nothing else; returns their log Z (b,)."""
        others = [one.without(which) for one in self._sources[rows.start]]
        own = _Source(which=which, mixture=mixture)
        self._sources[rows.start] = [one for one in (*others, own) if len(one.which)]
        self.k_hat[rows.start + which] = found.k_hat
        self._pools[rows.start + which] = found.pool
        return found.log_evidence.copy()

    def _easy(self, found: Weighed) -> Mask:
        """Observations (b,) for which as few particles do."""
        share, most = effective_size(relative(found.log_weight)) / len(found.u), self.largest_k
        some = (share >= 1 / 3) & (found.k_hat <= min(most, EASIEST_K))
        return np.asarray(some | (share >= 1 / 2) & (found.k_hat <= min(most, EASY_K)))

    def _drawn(
        self, mixture: Mixture | None, x: Array, n: int, rng: Generator
    ) -> tuple[Array, Array, Array]:
        """Particles u (n, b, D) of a mixture q, or of the proposal, their l and log q - log p."""
        if mixture is None:
            assert self.proposal
            u = self.proposal.draws(n, x, rng)
            theta = self.prior.from_unbounded(u)
            value, ratio = evaluate(self.proposal.log_ratios, theta, x, several=2)
            return u, value, ratio
        u = mixture.sample(n, rng)
        value = self._likelihood(u, x)
        return u, value, mixture.log_prob(u) - log_normal(u)

    def _weigh(self, mixture: Mixture | None, x: Array, n: int, rng: Generator) -> Weighed:
        u, value, ratio = self._drawn(mixture, x, n, rng)
        return weighed(u, value - ratio)

    def _run_chains(self, which: Index, found: Weighed, rng: Generator) -> Array:
        """MCMC of b observations from weighted particles; returns log Z (b,)."""

        def target(points: Array) -> Array:
            return self._likelihood(points, self.x[which]) + log_normal(points)

        announce(len(which) * evaluations(len(which)))
        chosen = resample(relative(found.log_weight), walkers(len(which)), rng)
        start = pick(found.u, chosen)
        chains = run(target, start, rng)
        self._chains |= dict(zip(which.tolist(), chains, strict=True))
        return np.array(
            [
                evidence(partial(self._target_of, row), chain, rng)
                for row, chain in zip(which.tolist(), chains, strict=True)
            ]
        )

    def _target_of(self, row: int, points: Array) -> Array:
        """Log target of one observation at points (n, D), with shape (n,)."""
        value = self._likelihood(points[:, None], self.x[row : row + 1])[:, 0]
        return np.asarray(value + log_normal(points))

    def _draw(self, rows: slice, n: int, rng: Generator) -> tuple[Array, Array, Array]:
        x = self.x[rows]
        draws, value = np.zeros((n, len(x), self._dims)), np.empty((n, len(x)))
        size = np.zeros(len(x))
        for one in self._sources[rows.start]:
            pools = self._pools[rows.start + one.which]
            for pool in np.unique(pools):
                same = np.flatnonzero(pools == pool)
                parts = -(-len(same) * round(pool * n) * one.components // _PARTS)
                for some in np.array_split(same, min(parts, len(same))):
                    at = one.which[some]
                    found = self._resampled(one.of(some), x, n, round(pool * n), rng)
                    draws[:, at], value[:, at], size[at] = found
        for b in range(len(x)):
            if (row := rows.start + b) in self._chains:
                draws[:, b], value[:, b], size[b] = self._chains[row].pick(n, rng)
        theta = self.prior.from_unbounded(draws)
        if rows.start in self._others:
            which, other = self._others[rows.start]
            theta[:, which], value[:, which], size[which] = other._draw(slice(None), n, rng)
        return theta, value, size

    def _resampled(
        self, source: _Source, x: Array, n: int, pool: int, rng: Generator
    ) -> tuple[Array, Array, Array]:
        """Draws u (n, b, D), their l (n, b) and effective sample sizes (b,), from weighted ones."""
        u, value, ratio = self._drawn(source.mixture, x[source.which], pool, rng)
        log_weight = value - ratio
        log_weight[:, ~(log_weight < np.inf).all(0)] = -np.inf
        weights = relative(smooth(log_weight)[0])
        index = resample(weights, n, rng)
        size = np.minimum(effective_size(weights), n**2 / (counts(index, pool) ** 2).sum(0))
        return pick(u, index), pick(value, index), size

    @property
    def _adapting(self) -> int:
        """The particles of a round of adaptation."""
        return min(self.particles, 128 * max(self._dims, 4))

    @property
    def _dims(self) -> int:
        return len(self.prior.names)


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What some observations (b,) of a block are drawn from: a mixture, or the proposal."""

    which: Index
    mixture: Mixture | None

    @property
    def components(self) -> int:
        """Of the mixture."""
        return len(self.mixture.share) if self.mixture else 1

    def of(self, which: Index) -> _Source:
        """That of these observations among them."""
        mixture = None if self.mixture is None else self.mixture.of(which)
        return _Source(which=self.which[which], mixture=mixture)

    def without(self, which: Index) -> _Source:
        """That of all but these observations of the block."""
        return self.of(np.flatnonzero(~np.isin(self.which, which)))


__all__ = ["ImportancePosterior"]
