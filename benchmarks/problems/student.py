r"""A decaying signal in heavy-tailed noise, with parameters of very different scales.

    y_i = offset + amplitude exp(-t_i / decay) + slope t_i + width T_i,   t_i = 0, 1/11, ..., 1,
    T_i ~ Student's t with `freedom` degrees of freedom,
    offset ~ U[-1e4, 1e4],  slope ~ U[-1e3, 1e3],  amplitude ~ U[0, 5e3],  decay ~ U[0.02, 0.5],
    log10 width ~ U[1, 3],  log10 freedom ~ U[0, 1].

The posterior is sampled by particles (`particles`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from problems.particles import ParticlePosterior, particle_posterior
from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior, uniform_prior
from sbipipe.seeds import stream

TIMES = np.linspace(0, 1, 12)


@dataclass(frozen=True)
class Student:
    """Six parameters, twelve data."""

    @property
    def prior(self) -> ProductPrior:
        return uniform_prior(
            offset=(-1e4, 1e4),
            slope=(-1e3, 1e3),
            amplitude=(0.0, 5e3),
            decay=(0.02, 0.5),
            log_width=(1.0, 3.0),
            log_freedom=(0.0, 1.0),
        )

    def simulate(self, theta: Array, rng: Generator) -> Array:
        signal, width, freedom = _model(theta)
        return signal + width * rng.standard_t(np.broadcast_to(freedom, signal.shape))

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        signal, width, freedom = _model(theta)
        found = stats.t.logpdf((x - signal) / width, freedom) - np.log(width)
        return np.asarray(found.sum(-1))

    def posterior(self, x: Array) -> ParticlePosterior:
        rng = stream(0, "student", *map(float.hex, x.tolist()))
        return particle_posterior(self.prior, lambda theta: self.log_likelihood(theta, x), rng)


def _model(theta: Array) -> tuple[Array, Array, Array]:
    """The signal (n, 12), and width and freedom (n, 1) of the noise."""
    offset, slope, amplitude, decay, log_width, log_freedom = theta.T[:, :, None]
    signal = offset + slope * TIMES + amplitude * np.exp(-TIMES / decay)
    return signal, 10**log_width, 10**log_freedom
