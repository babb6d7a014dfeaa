r"""Two Gaussians of very different width around one mean (Sisson et al. 2007; gaussian_mixture of
sbibm, Lueckmann et al. 2021, arXiv:2101.04653).

    theta ~ U[-10, 10]^2,   x ~ N(theta, I) / 2 + N(theta, 0.1^2 I) / 2.

The posterior is a mixture of the two Gaussians around x, truncated to the square. With s the width
of a component and Phi the normal distribution function, its weight is proportional to the mass
within the square, prod_i [Phi((10 - x_i) / s) - Phi((-10 - x_i) / s)].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special, stats

from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior, uniform_prior

WIDTHS = np.array([1.0, 0.1])
SIDE = 10.0


@dataclass(frozen=True)
class GaussianMixture:
    """Two parameters, two data."""

    @property
    def prior(self) -> ProductPrior:
        return uniform_prior(theta_1=(-SIDE, SIDE), theta_2=(-SIDE, SIDE))

    def simulate(self, theta: Array, rng: Generator) -> Array:
        width = rng.choice(WIDTHS, len(theta))[:, None]
        return theta + width * rng.standard_normal(theta.shape)

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        by_width = stats.norm.logpdf(x, theta, WIDTHS[:, None, None]).sum(-1)
        return np.asarray(special.logsumexp(by_width, axis=0) - np.log(2))

    def posterior(self, x: Array) -> GaussianMixturePosterior:
        return GaussianMixturePosterior(problem=self, x=x)


@dataclass(frozen=True, kw_only=True)
class GaussianMixturePosterior:
    """A mixture of truncated normals around one observation (2,)."""

    problem: GaussianMixture
    x: Array

    def sample(self, n: int, rng: Generator) -> Array:
        component = rng.choice(2, n, p=self._mass / self._mass.sum())
        low, high = self._edges
        q = low[component] + rng.random((n, 2)) * (high - low)[component]
        return np.asarray(self.x + WIDTHS[component, None] * special.ndtri(q))

    def log_prob(self, theta: Array) -> Array:
        prior, problem = self.problem.prior, self.problem
        log_evidence = np.log(self._mass.mean()) - np.log((2 * SIDE) ** 2)
        return prior.log_prob(theta) + problem.log_likelihood(theta, self.x) - log_evidence

    @cached_property
    def _edges(self) -> tuple[Array, Array]:
        """Quantiles of the sides of the square, each with shape (components, 2)."""
        low, high = ((edge - self.x) / WIDTHS[:, None] for edge in (-SIDE, SIDE))
        return special.ndtr(low), special.ndtr(high)

    @property
    def _mass(self) -> Array:
        """Of each component within the square."""
        low, high = self._edges
        return np.asarray((high - low).prod(-1))
