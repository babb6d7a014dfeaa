r"""A posterior by annealed particles: prior * L^t, with t from 0 to 1 (Del Moral, Doucet & Jasra
2006).

Particles live where the prior is a standard normal. Each step raises t until the weights L^(dt)
keep half of their effective sample size, resamples, and moves every particle by Metropolis steps
with the particles' own covariance, which leave prior * L^t unchanged. At t = 1 the particles are
draws; more steps make those of one ancestor independent. Then a mixture of normals is fitted to
them, from which importance sampling gives

    Z = E_q [L(u) N(u; 0, I) / q(u)],

whose error is known, and small, since q was fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats
from sklearn.mixture import GaussianMixture

from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior

PARTICLES, MOVES, LAST_MOVES = 2500, 8, 40
"""The number of particles, of moves after each step, and of moves at the end."""

COMPONENTS, IMPORTANCE = 12, 20_000
"""The components of the mixture, and the draws from it."""

LogLikelihood = Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True)
class ParticlePosterior:
    """Draws of one posterior.

    Attributes:
        prior: The prior of theta.
        log_likelihood: The log-likelihood of the observation, (n, D) -> (n,).
        particles: The draws, with shape (PARTICLES, D).
        log_evidence: The estimate of log Z.
        error: The standard error of `log_evidence`.
    """

    prior: ProductPrior
    log_likelihood: LogLikelihood
    particles: Array
    log_evidence: float
    error: float

    def sample(self, n: int, rng: Generator) -> Array:
        """Different particles, at most as many as there are."""
        return rng.permutation(self.particles)[:n]

    def log_prob(self, theta: Array) -> Array:
        return self.prior.log_prob(theta) + self.log_likelihood(theta) - self.log_evidence


def particle_posterior(
    prior: ProductPrior, log_likelihood: LogLikelihood, rng: Generator, n: int = PARTICLES
) -> ParticlePosterior:
    """Anneal n particles from the prior to the posterior."""

    def at(u: Array) -> Array:
        return np.maximum(log_likelihood(prior.from_unbounded(u)), -1e12)

    u = rng.standard_normal((n, len(prior.names)))
    values, t = at(u), 0.0
    while t < 1:
        step = _step(values, 1 - t)
        t = min(t + step, 1.0)
        weights = special.softmax(step * values)
        chosen = _resample(weights, rng)
        u, values = u[chosen], values[chosen]
        for _ in range(MOVES if t < 1 else LAST_MOVES):
            u, values = _move(u, values, t, at, rng)
    log_evidence, error = _evidence(u, at, rng)
    return ParticlePosterior(
        prior=prior,
        log_likelihood=log_likelihood,
        particles=prior.from_unbounded(u),
        log_evidence=log_evidence,
        error=error,
    )


def _step(values: Array, most: float) -> float:
    """The rise of t that halves the effective sample size, at most `most`."""

    def excess(log_step: float) -> float:
        weights = special.softmax(np.exp(log_step) * values)
        return float(1 / np.square(weights).sum() / len(values) - 0.5)

    if excess(np.log(most)) >= 0:
        return most
    return float(np.exp(optimize.brentq(excess, np.log(most) - 40, np.log(most), xtol=1e-3)))


def _resample(weights: Array, rng: Generator) -> Array:
    """Systematic resampling: indices in proportion to the weights."""
    n = len(weights)
    edges = np.cumsum(weights)
    return np.searchsorted(edges / edges[-1], (np.arange(n) + rng.random()) / n)


def _move(
    u: Array, values: Array, t: float, at: LogLikelihood, rng: Generator
) -> tuple[Array, Array]:
    """A Metropolis step of each particle, with a step size of its own."""
    n, dimension = u.shape
    size = 2.38 / np.sqrt(dimension) * np.exp(rng.uniform(-2.5, 0.3, (n, 1)))
    factor = np.linalg.cholesky(np.cov(u.T) + 1e-12 * np.eye(dimension))
    proposed = u + size * (rng.standard_normal(u.shape) @ factor.T)
    new = at(proposed)
    gain = t * (new - values) - 0.5 * (proposed**2 - u**2).sum(-1)
    accepted = np.log(rng.random(n)) < gain
    return np.where(accepted[:, None], proposed, u), np.where(accepted, new, values)


def _evidence(u: Array, at: LogLikelihood, rng: Generator) -> tuple[float, float]:
    """log Z and its error, by importance sampling."""
    seed = int(rng.integers(2**31))
    mixture = GaussianMixture(COMPONENTS, random_state=seed, reg_covar=1e-9).fit(u)
    mixture.random_state = seed + 1
    draws = mixture.sample(IMPORTANCE)[0]
    log_prior = stats.norm.logpdf(draws).sum(-1)
    log_weight = at(draws) + log_prior - mixture.score_samples(draws)
    log_evidence = special.logsumexp(log_weight) - np.log(IMPORTANCE)
    weight = np.exp(log_weight - log_evidence)
    return float(log_evidence), float(weight.std() / np.sqrt(IMPORTANCE))
