r"""Two moons: a crescent of data, and two thin crescents of parameters (Greenberg et al. 2019,
arXiv:1905.07488; two_moons of sbibm, Lueckmann et al. 2021, arXiv:2101.04653).

    theta ~ U[-1, 1]^2,   a ~ U(-pi/2, pi/2),   r ~ N(0.1, 0.01^2),
    p = (r cos a + 0.25, r sin a),
    x = p + (-|theta_1 + theta_2|, theta_2 - theta_1) / sqrt(2).

With v = theta_2 - theta_1 and w = theta_1 + theta_2, both over sqrt(2), theta is a rotation of
(v, w), and |w| = p_1 - x_1, v = x_2 - p_2. So a draw of p with p_1 > x_1 gives two parameters, of
w > 0 and of w < 0, and the posterior is the law of those that lie in the prior's square. Its
normalisation,

    Z = E_p [number of those of the two that exist and lie in the square] / 4,

is an integral over the quantiles of r and a.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior, uniform_prior

RADIUS = stats.norm(0.1, 0.01)
CENTRE = 0.25
RADII, ANGLES = 50, 2000
"""Points of the integral."""


@dataclass(frozen=True)
class TwoMoons:
    """Two parameters, two data."""

    @property
    def prior(self) -> ProductPrior:
        return uniform_prior(theta_1=(-1.0, 1.0), theta_2=(-1.0, 1.0))

    def simulate(self, theta: Array, rng: Generator) -> Array:
        return _crescent(rng.random(len(theta)), rng.random(len(theta))) + _shift(theta)

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        p = x - _shift(theta) - [CENTRE, 0.0]
        r = np.hypot(p[:, 0], p[:, 1])
        log_density = RADIUS.logpdf(r) - np.log(np.pi * r)
        return np.where(p[:, 0] > 0, log_density, -np.inf)

    def posterior(self, x: Array) -> TwoMoonsPosterior:
        return TwoMoonsPosterior(problem=self, x=x)


@dataclass(frozen=True, kw_only=True)
class TwoMoonsPosterior:
    """The two crescents of one observation (2,)."""

    problem: TwoMoons
    x: Array

    def sample(self, n: int, rng: Generator) -> Array:
        """By rejection of crescents that lie outside the prior's square."""
        kept = np.empty((0, 2))
        while len(kept) < n:
            both = self._images(_crescent(rng.random(n), rng.random(n)))
            one = both[rng.integers(0, 2, n), np.arange(n)]
            kept = np.concatenate([kept, one[self._inside(one)]])
        return kept[:n]

    def log_prob(self, theta: Array) -> Array:
        prior, problem = self.problem.prior, self.problem
        return prior.log_prob(theta) + problem.log_likelihood(theta, self.x) - self.log_evidence

    @cached_property
    def log_evidence(self) -> float:
        """log Z."""
        q_r, q_a = np.meshgrid(_midpoints(RADII), _midpoints(ANGLES))
        images = self._images(_crescent(q_r.ravel(), q_a.ravel()))
        return float(np.log(self._inside(images).sum(0).mean() / 4))

    def _images(self, p: Array) -> Array:
        """The parameters behind crescents (n, 2), with shape (2, n, 2); NaN where there is none."""
        w = np.where(p[:, 0] > self.x[0], p[:, 0] - self.x[0], np.nan)
        v = self.x[1] - p[:, 1]
        images = [np.stack([sign * w - v, sign * w + v], -1) for sign in (1, -1)]
        return np.stack(images) / np.sqrt(2)

    def _inside(self, theta: Array) -> Array:
        return (np.abs(theta) <= 1).all(-1)


def _crescent(q_r: Array, q_a: Array) -> Array:
    """Points p (n, 2) for quantiles of the radius and the angle."""
    a, r = np.pi * (q_a - 0.5), RADIUS.ppf(q_r)
    return np.stack([r * np.cos(a) + CENTRE, r * np.sin(a)], -1)


def _shift(theta: Array) -> Array:
    total, difference = theta[:, 0] + theta[:, 1], theta[:, 1] - theta[:, 0]
    return np.stack([-np.abs(total), difference], -1) / np.sqrt(2)


def _midpoints(n: int) -> Array:
    return (np.arange(n) + 0.5) / n
