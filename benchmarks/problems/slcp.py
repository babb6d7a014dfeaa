r"""Four points of a normal whose mean and covariance are asked for (slcp of sbibm: simple
likelihood, complex posterior; Papamakarios et al. 2019, arXiv:1805.07226).

    theta ~ U[-3, 3]^5,   x_1, ..., x_4 ~ N((theta_1, theta_2), S),
    S = [[s_1^2, r s_1 s_2], [r s_1 s_2, s_2^2]],   s_1 = theta_3^2,  s_2 = theta_4^2,
    r = tanh theta_5.

The signs of theta_3 and theta_4 cannot be seen, so the posterior has four bent modes, and edges
where the prior ends. It is sampled by particles (`particles`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from problems.particles import ParticlePosterior, particle_posterior
from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior, uniform_prior
from sbipipe.seeds import stream

POINTS = 4


@dataclass(frozen=True)
class Slcp:
    """Five parameters, eight data."""

    @property
    def prior(self) -> ProductPrior:
        return uniform_prior(**{f"theta_{i}": (-3.0, 3.0) for i in range(1, 6)})

    def simulate(self, theta: Array, rng: Generator) -> Array:
        first, second = rng.standard_normal((2, len(theta), POINTS))
        m1, m2, s1, s2, r = _normal(theta)
        points = m1 + s1 * first, m2 + s2 * (r * first + np.sqrt(1 - r**2) * second)
        return np.stack(points, -1).reshape(len(theta), 2 * POINTS)

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        m1, m2, s1, s2, r = _normal(theta)
        first = (x[::2] - m1) / s1
        second = ((x[1::2] - m2) / s2 - r * first) / np.sqrt(1 - r**2)
        log_scale = np.log(s1 * s2) + 0.5 * np.log1p(-(r**2)) + np.log(2 * np.pi)
        return np.asarray((-0.5 * (first**2 + second**2) - log_scale).sum(-1))

    def posterior(self, x: Array) -> ParticlePosterior:
        rng = stream(0, "slcp", *map(float.hex, x.tolist()))
        return particle_posterior(self.prior, lambda theta: self.log_likelihood(theta, x), rng)


def _normal(theta: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Means, standard deviations and correlation, each with shape (n, 1)."""
    m1, m2, t3, t4, t5 = theta.T[:, :, None]
    return m1, m2, t3**2, t4**2, np.tanh(t5)
