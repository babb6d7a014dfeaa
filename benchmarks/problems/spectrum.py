r"""A power spectrum in a hundred bins, each of few modes at first and of more at the end.

    P(k) = A (k / 0.1)^n exp(-(k / k_c)^2) + B,   k_i = 0.02, ..., 1,
    x_i ~ P(k_i) Gamma(m_i) / m_i,   m_i = 2 + i / 2,   i = 0, ..., 99,
    log A ~ U[-1, 1],   n ~ U[-2, 0],   log k_c ~ U[-2, 0],   log B ~ U[-4, -1].

The posterior is sampled by particles (`particles`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from problems.particles import ParticlePosterior, particle_posterior
from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior, uniform_prior
from sbipipe.seeds import stream

BINS = 100
K = np.linspace(0.02, 1, BINS)
MODES = 2 + np.arange(BINS) / 2


@dataclass(frozen=True)
class Spectrum:
    """Four parameters, a hundred data."""

    @property
    def prior(self) -> ProductPrior:
        return uniform_prior(
            log_a=(-1.0, 1.0), tilt=(-2.0, 0.0), log_cut=(-2.0, 0.0), log_b=(-4.0, -1.0)
        )

    def simulate(self, theta: Array, rng: Generator) -> Array:
        mean = power(theta)
        return mean * rng.gamma(np.broadcast_to(MODES, mean.shape)) / MODES

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        mean = power(theta)
        return np.asarray(-(MODES * (x / mean + np.log(mean))).sum(-1))

    def posterior(self, x: Array) -> ParticlePosterior:
        rng = stream(0, "spectrum", *map(float.hex, x.tolist()))
        return particle_posterior(self.prior, lambda theta: self.log_likelihood(theta, x), rng)


def power(theta: Array) -> Array:
    """P in every bin, with shape (n, 100)."""
    log_a, tilt, log_cut, log_b = theta.T[:, :, None]
    falling = np.exp(log_a - (K / np.exp(log_cut)) ** 2) * (K / 0.1) ** tilt
    return np.asarray(falling + np.exp(log_b))
