r"""A series that returns to its mean (Uhlenbeck & Ornstein 1930), seen fifty times without noise.

    dX = k (m - X) dt + s dW,   X(0) ~ N(m, s^2 / (2 k)),   x_i = X(0.2 i),   i = 1, ..., 50,
    m ~ U[-2, 2],   log k ~ U[-2, 1],   log s ~ U[-1.5, 1].

One step later X is normal with mean m + a (X - m), a = exp(-0.2 k), and variance
s^2 (1 - a^2) / (2 k), so the likelihood is a product. What the series says of k and s is in its
squares, and no straight line knows it. The posterior is sampled by particles (`particles`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from problems.particles import ParticlePosterior, particle_posterior
from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior, uniform_prior
from sbipipe.seeds import stream

STEP, TIMES = 0.2, 50


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """Three parameters, fifty data."""

    @property
    def prior(self) -> ProductPrior:
        return uniform_prior(mu=(-2.0, 2.0), log_rate=(-2.0, 1.0), log_sigma=(-1.5, 1.0))

    def simulate(self, theta: Array, rng: Generator) -> Array:
        mean, whole, kept, scale = _normal(theta)
        series, now = np.empty((len(theta), TIMES)), whole * rng.standard_normal(len(theta))
        for i in range(TIMES):
            now = kept * now + scale * rng.standard_normal(len(theta))
            series[:, i] = mean + now
        return series

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        mean, whole, kept, scale = (one[:, None] for one in _normal(theta))
        away = x - mean
        first = stats.norm.logpdf(away[:, :1], scale=whole)
        others = stats.norm.logpdf(away[:, 1:], kept * away[:, :-1], scale)
        return np.asarray(first.sum(1) + others.sum(1))

    def posterior(self, x: Array) -> ParticlePosterior:
        rng = stream(0, "ou", *map(float.hex, x.tolist()))
        return particle_posterior(self.prior, lambda theta: self.log_likelihood(theta, x), rng)


def _normal(theta: Array) -> tuple[Array, Array, Array, Array]:
    """The mean, the standard deviation, a, and the standard deviation of a step, each (n,)."""
    mean, rate, sigma = theta[:, 0], np.exp(theta[:, 1]), np.exp(theta[:, 2])
    whole, kept = sigma / np.sqrt(2 * rate), np.exp(-rate * STEP)
    return mean, whole, kept, whole * np.sqrt(1 - kept**2)
