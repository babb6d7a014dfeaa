r"""A Gaussian whose ten means are uniform (gaussian_linear_uniform of sbibm, Lueckmann et al. 2021,
arXiv:2101.04653).

    theta ~ U[-1, 1]^10,   x ~ N(theta, 0.1 I).

The posterior is a product of normals around x_i, each truncated to [-1, 1]: with s^2 = 0.1,

    p(theta | x) = prod_i N(theta_i; x_i, s^2) / [Phi((1 - x_i) / s) - Phi((-1 - x_i) / s)].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior, uniform_prior

DIMENSION = 10
NOISE = np.sqrt(0.1)


@dataclass(frozen=True)
class LinearUniform:
    """Ten parameters, ten data."""

    @property
    def prior(self) -> ProductPrior:
        return uniform_prior(**{f"theta_{i}": (-1.0, 1.0) for i in range(DIMENSION)})

    def simulate(self, theta: Array, rng: Generator) -> Array:
        return theta + NOISE * rng.standard_normal(theta.shape)

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        return np.asarray(stats.norm.logpdf(x, theta, NOISE).sum(-1))

    def posterior(self, x: Array) -> LinearUniformPosterior:
        return LinearUniformPosterior(x=x)


@dataclass(frozen=True, kw_only=True)
class LinearUniformPosterior:
    """Truncated normals around one observation (10,)."""

    x: Array

    def sample(self, n: int, rng: Generator) -> Array:
        return np.asarray(self._marginals.rvs((n, DIMENSION), random_state=rng))

    def log_prob(self, theta: Array) -> Array:
        return np.asarray(self._marginals.logpdf(theta).sum(-1))

    @property
    def _marginals(self) -> stats.distributions.rv_frozen:
        low, high = ((edge - self.x) / NOISE for edge in (-1, 1))
        return stats.truncnorm(low, high, loc=self.x, scale=NOISE)
