r"""A neuron that fires or does not, a hundred times (after bernoulli_glm_raw of sbibm, Lueckmann
et al. 2021, arXiv:2101.04653).

    x_i ~ Bernoulli(1 / (1 + exp(-v_i . theta))),   theta ~ N(0, I),   i = 1, ..., 100,

v_i = (1, eight normal numbers of a fixed seed). The posterior is sampled by particles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from problems.particles import ParticlePosterior, particle_posterior
from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import Normal, ProductPrior
from sbipipe.seeds import stream

TRIALS, WEIGHTS = 100, 8
STIMULI = np.concatenate(
    [np.ones((TRIALS, 1)), stream(0, "stimuli").standard_normal((TRIALS, WEIGHTS - 1))], 1
)


@dataclass(frozen=True)
class Spikes:
    """Eight parameters, a hundred data, each zero or one."""

    @property
    def prior(self) -> ProductPrior:
        one = Normal(kind="normal", loc=0.0, scale=1.0)
        return ProductPrior({f"weight_{i}": one for i in range(WEIGHTS)})

    def simulate(self, theta: Array, rng: Generator) -> Array:
        chance = 1 / (1 + np.exp(-theta @ STIMULI.T))
        return (rng.random(chance.shape) < chance).astype(np.float64)

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        log_odds = theta @ STIMULI.T
        return np.asarray((x * log_odds - np.logaddexp(0, log_odds)).sum(-1))

    def posterior(self, x: Array) -> ParticlePosterior:
        rng = stream(0, "spikes", *map(float.hex, x.tolist()))
        return particle_posterior(self.prior, lambda theta: self.log_likelihood(theta, x), rng)
