r"""Proposals that adapt to a posterior: mixtures of Student's t in the unbounded space.

The prior is a standard normal there, and a share of every proposal, so that no weight explodes
where the posterior is the prior. With weights w of particles u drawn from the last mixture
q = sum_k a_k t_k, the next one has the weighted moments

    a_k = E_w[r_k],   m_k = E_w[r_k u] / a_k,   C_k = E_w[r_k (u - m_k)(u - m_k)^T] / a_k,

with r_k = a_k t_k(u) / q(u): population Monte Carlo (Cappé et al. 2008, arXiv 0710.4242). It begins
with one component, of the prior or of a density near the posterior, and with a power of the
likelihood that rises from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from sbipipe.interfaces import Array, Generator, Index, Mask
from sbipipe.sampling.particles import effective_size, log_normal, pick, relative, resample

COMPONENTS = 16
"""Of the mixture that takes over where one component fails."""

_FREEDOM = 5.0
_WIDER = 1.2
_DEFENSIVE = 0.05
_LEAST_SHARE = 1e-3
_SETTLED = 4

_OF_ONE, _OF_MANY = 5, 40
"""One in so many particles is effective, at least, as the power of the likelihood rises. Many
components are never so good a fit as to leave more of them."""

_REFITTED, _MOVES = 1024, 6
"""Particles that many components are fitted to, more than are effective, and their moves to
them."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Student t's mixed with the prior, for each of b observations.

    Attributes:
        share: The share of each component, with shape (K, b).
        mean: The means, with shape (K, b, D).
        factor: Lower Cholesky factors of the scales, with shape (K, b, D, D).
    """

    share: Array
    mean: Array
    factor: Array

    def of(self, which: Index | Mask) -> Mixture:
        """That of these observations."""
        return Mixture(
            share=self.share[:, which], mean=self.mean[:, which], factor=self.factor[:, which]
        )

    def put(self, which: Index | Mask, other: Mixture) -> None:
        """Take that of these observations from another."""
        self.share[:, which] = other.share
        self.mean[:, which], self.factor[:, which] = other.mean, other.factor

    def wider(self, factor: float) -> Mixture:
        """Every component so many times as wide."""
        return replace(self, factor=factor * self.factor)

    def sample(self, n: int, rng: Generator) -> Array:
        """Points with shape (n, b, D)."""
        noise = rng.standard_normal((n, *self.mean.shape[1:]))
        chi = rng.chisquare(_FREEDOM, noise.shape[:2]) / _FREEDOM
        prior = rng.random(chi.shape) < _DEFENSIVE
        mean, factor = self.mean[0], self.factor[0]
        if len(self.share) > 1:
            chosen = (rng.random(chi.shape)[None] > self.share.cumsum(0)[:-1, None]).sum(0)
            column = np.arange(chosen.shape[1])
            mean, factor = self.mean[chosen, column], self.factor[chosen, column]
        scaled = (factor @ noise[..., None])[..., 0] / np.sqrt(chi)[..., None]
        return np.where(prior[..., None], noise, mean + scaled)

    def log_prob(self, u: Array) -> Array:
        """Log density of points (n, b, D), with shape (n, b)."""
        student = special.logsumexp(self.log_parts(u), 0)
        return np.asarray(
            np.logaddexp(np.log1p(-_DEFENSIVE) + student, np.log(_DEFENSIVE) + log_normal(u))
        )

    def log_parts(self, u: Array) -> Array:
        """log a_k t_k of points (n, b, D), with shape (K, n, b)."""
        dims = u.shape[-1]
        away = u.transpose(1, 0, 2) - self.mean[:, :, None]
        whitened = away @ np.linalg.inv(self.factor).swapaxes(-1, -2)
        distance = np.einsum("kbni,kbni->knb", whitened, whitened)
        constant = special.gammaln((_FREEDOM + dims) / 2) - special.gammaln(_FREEDOM / 2)
        constant -= 0.5 * dims * np.log(_FREEDOM * np.pi)
        scale = np.log(np.diagonal(self.factor, axis1=2, axis2=3)).sum(-1)
        with np.errstate(divide="ignore"):
            height = (np.log(self.share) + constant - scale)[:, None]
        return np.asarray(height - 0.5 * (_FREEDOM + dims) * np.log1p(distance / _FREEDOM))

    def moved(self, u: Array, weights: Array) -> Mixture:
        """The next mixture, from particles (n, b, D) with weights (n, b)."""
        parts = self.log_parts(u)
        with np.errstate(invalid="ignore"):
            belongs = np.nan_to_num(np.exp(parts - special.logsumexp(parts, 0)))
        return _moments(u, belongs * (weights / weights.sum(0)))


def _moments(u: Array, weights: Array) -> Mixture:
    """Widened moments of particles (n, b, D) with weights (K, n, b), which sum to the shares."""
    share = weights.sum(1)
    weights = (weights / np.maximum(share, np.finfo(float).tiny)[:, None]).swapaxes(1, 2)
    places = u.transpose(1, 0, 2)
    mean = (weights[:, :, None] @ places)[:, :, 0]
    away = places - mean[:, :, None]
    covariance = (away * weights[..., None]).swapaxes(-1, -2) @ away
    scale = np.maximum(np.einsum("kbii->kb", covariance) / u.shape[-1], 1e-12)
    covariance += 1e-6 * scale[..., None, None] * np.eye(u.shape[-1])
    shrink = (_FREEDOM - 2) / _FREEDOM
    factor = np.linalg.cholesky(_WIDER**2 * shrink * covariance)
    share = np.where(share < _LEAST_SHARE, 0.0, share)
    return Mixture(share=share / share.sum(0), mean=mean, factor=factor)


def the_prior(observations: int, dims: int, components: int = 1) -> Mixture:
    """Components as wide as the prior, of each observation."""
    return Mixture(
        share=np.full((components, observations), 1 / components),
        mean=np.zeros((components, observations, dims)),
        factor=np.tile(np.eye(dims), (components, observations, 1, 1)),
    )


def like(u: Array) -> Mixture:
    """One component with the moments of draws (n, b, D)."""
    return _moments(u, np.full((1, *u.shape[:2]), 1 / len(u)))


def adapt(
    likelihood: Callable[[Array, Index], Array],
    start: Mixture,
    particles: int,
    rng: Generator,
    rounds: int = 30,
) -> Mixture:
    """Fit one component while the likelihood's power beta rises from 0 to 1.

    Each round takes the largest beta that leaves a fifth of the particles effective. At beta = 1,
    a round in which a third of them are is the last, and so is the fourth.

    Args:
        likelihood: `(u (n, a, D), which (a,)) -> l (n, a)`, of the observations `which`.
        start: The component of the first round.
    """
    whole = Mixture(share=start.share.copy(), mean=start.mean.copy(), factor=start.factor.copy())
    return _risen(likelihood, whole, particles, particles / _OF_ONE, rng, rounds)


def around(u: Array, weights: Array, components: int, rng: Generator, moves: int = 3) -> Mixture:
    """The mixture that particles u (n, b, D) with weights (n, b) are like; its components begin at
    some of them, half as wide as all, and move to them a few times."""
    whole = _moments(u, (weights / weights.sum(0))[None])
    mixture = Mixture(
        share=np.full((components, u.shape[1]), 1 / components),
        mean=pick(u, resample(weights, components, rng)),
        factor=np.tile(whole.factor / 2, (components, 1, 1, 1)),
    )
    for _ in range(moves):
        mixture = mixture.moved(u, weights)
    return mixture


def refine(
    likelihood: Callable[[Array, Index], Array],
    observations: int,
    dims: int,
    particles: int,
    rng: Generator,
    rounds: int = 40,
) -> Mixture:
    """Fit many components, where one does not do, while the likelihood's power rises from 0 to 1.

    It begins with the prior. Each round fits anew to as large a power as leaves a hundred of 4,096
    particles effective, so that no part of a posterior is lost on the way; at beta = 1 the last
    mixture moves on, until a third of them are, four times at most.

    Args:
        likelihood: As for `adapt`.
    """

    def refit(u: Array, weights: Array) -> Mixture:
        chosen = pick(u, resample(weights, min(_REFITTED, particles), rng))
        return around(chosen, np.ones(chosen.shape[:2]), COMPONENTS, rng, _MOVES)

    whole = the_prior(observations, dims, COMPONENTS)
    return _risen(likelihood, whole, particles, particles / _OF_MANY, rng, rounds, refit)


def _risen(
    likelihood: Callable[[Array, Index], Array],
    whole: Mixture,
    particles: int,
    least: float,
    rng: Generator,
    rounds: int,
    refit: Callable[[Array, Array], Mixture] | None = None,
) -> Mixture:
    """A mixture, changed in place, that has followed the likelihood's power from 0 to 1.

    Args:
        least: How many particles are effective, at least, as it rises.
        refit: What particles (n, b, D) with weights (n, b) are like, while it rises; None moves
            the last mixture.
    """
    which = np.arange(whole.share.shape[1])
    settled, beta = np.zeros(len(which)), np.zeros(len(which))
    for _ in range(rounds):
        last = whole.of(which)
        u = last.sample(particles, rng)
        base, value = _weights(likelihood, last, u, which)
        rising = beta[which] < 1
        beta[which] = _next_power(base, value, beta[which], least)
        weights = relative(base + _tempered(value, beta[which]))
        whole.put(which, last.moved(u, weights))
        good = effective_size(weights) >= particles / 3
        if refit and rising.any():
            whole.put(which[rising], refit(u[:, rising], weights[:, rising]))
            good &= ~rising
        settled[which] += np.where(beta[which] < 1, 0, np.where(good, _SETTLED, 1))
        which = np.flatnonzero(settled < _SETTLED)
        if not len(which):
            break
    return whole


def _weights(
    likelihood: Callable[[Array, Index], Array], mixture: Mixture, u: Array, which: Index
) -> tuple[Array, Array]:
    """log prior / mixture and l at particles (n, b, D), each with shape (n, b)."""
    value = np.nan_to_num(likelihood(u, which), nan=-np.inf, posinf=-np.inf)
    return log_normal(u) - mixture.log_prob(u), value


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


__all__ = ["COMPONENTS", "Mixture", "adapt", "around", "like", "refine", "the_prior"]
