"""Draws by Pareto-smoothed importance sampling, for any number of parameters.

The proposal is a multivariate t in the unbounded space u, where the prior is a standard normal. It
is fitted by tempered population Monte Carlo (Cappé et al. 2008, arXiv 0710.4242) from the prior,
widened, and mixed with the prior. The weights are Pareto-smoothed (Vehtari et al. 2024, JMLR
25:72); an observation whose Pareto shape k-hat exceeds 0.7 is left to MCMC (`chains`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy import special

from sbipipe.interfaces import Array, Generator, Index
from sbipipe.sampling.chains import TOGETHER, WALKERS, Chain, evidence, log_normal, run
from sbipipe.sampling.pareto import LARGEST_K, smooth
from sbipipe.sampling.particles import counts, effective_size, pick, relative, resample
from sbipipe.sampling.unnormalised import FromDensity, evaluate
from sbipipe.seeds import stream

_FREEDOM = 5.0
_WIDER = 1.2
_DEFENSIVE = 0.05


@dataclass(kw_only=True)
class ImportancePosterior(FromDensity):
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
    _chains: dict[int, Chain] = field(init=False, default_factory=dict)

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
        log_weight = self._likelihood(u, x) + log_normal(u) - proposal.log_prob(u)
        failed = ~(log_weight < np.inf).all(0) | (np.isfinite(log_weight).sum(0) < 50)
        log_weight[:, failed] = 0.0
        smoothed, self.k_hat[rows] = smooth(log_weight)
        self.k_hat[rows][failed] = np.nan
        log_evidence = special.logsumexp(smoothed, 0) - np.log(len(u))
        log_evidence[failed] = np.nan
        poor = np.flatnonzero(~failed & ~(self.k_hat[rows] <= self.largest_k))
        for some in np.array_split(poor, max(1, -(-len(poor) // TOGETHER))):
            if len(some):
                log_evidence[some] = self._run_chains(
                    rows.start + some, u[:, some], smoothed[:, some], rng
                )
        return np.asarray(log_evidence)

    def _run_chains(self, which: Index, u: Array, log_weight: Array, rng: Generator) -> Array:
        """MCMC of b observations from weighted particles u (S, b, D); returns log Z (b,)."""

        def target(points: Array) -> Array:
            return self._likelihood(points, self.x[which]) + log_normal(points)

        start = pick(u, resample(relative(log_weight), WALKERS, rng))
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
        proposal, x = self._proposals[rows.start], self.x[rows]
        u = proposal.sample(4 * n, rng)
        value = self._likelihood(u, x)
        log_weight = value + log_normal(u) - proposal.log_prob(u)
        log_weight[:, ~(log_weight < np.inf).all(0)] = -np.inf
        weights = relative(smooth(log_weight)[0])
        index = resample(weights, n, rng)
        size = np.minimum(effective_size(weights), n**2 / (counts(index, 4 * n) ** 2).sum(0))
        draws, value = pick(u, index), pick(value, index)
        for b in range(len(x)):
            if (row := rows.start + b) in self._chains:
                draws[:, b], value[:, b], size[b] = self._chains[row].pick(n, rng)
        return self.prior.from_unbounded(draws), value, size

    @property
    def _dims(self) -> int:
        return len(self.prior.names)


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
        prior = np.log(_DEFENSIVE) + log_normal(u)
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
        base = log_normal(u) - proposal.log_prob(u)
        beta = _next_power(base, value, beta, particles / 5)
        weights = relative(base + _tempered(value, beta))
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
        enough = effective_size(relative(base + _tempered(value, middle))) >= least
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


__all__ = ["ImportancePosterior"]
