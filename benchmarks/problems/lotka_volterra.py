r"""Predators and prey seen ten times (lotka_volterra of sbibm, Lueckmann et al. 2021,
arXiv:2101.04653).

    dX/dt = alpha X - beta X Y,   dY/dt = -gamma Y + delta X Y,   X = 30, Y = 1 at t = 0,
    log alpha, log gamma ~ N(-0.125, 0.5^2),   log beta, log delta ~ N(-3, 0.5^2),
    log x_i ~ N(log X(t_i), 0.1^2),   log y_i ~ N(log Y(t_i), 0.1^2),   t_i = 0, 2.1, ..., 18.9.

Theta holds the four logarithms. Written for log X and log Y, the equations keep both positive;
DOP853 solves them for many parameters at once. The posterior is sampled by particles
(`particles`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import integrate

from problems.particles import ParticlePosterior, particle_posterior
from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import Normal, ProductPrior
from sbipipe.seeds import stream

TIMES = 2.1 * np.arange(10)
START, NOISE = (30.0, 1.0), 0.1
TOGETHER = 500
"""Parameters for which the equations are solved at once."""


@dataclass(frozen=True)
class LotkaVolterra:
    """Four parameters, twenty data."""

    @property
    def prior(self) -> ProductPrior:
        rate = Normal(kind="normal", loc=-0.125, scale=0.5)
        meeting = Normal(kind="normal", loc=-3.0, scale=0.5)
        return ProductPrior(
            {"log_alpha": rate, "log_beta": meeting, "log_gamma": rate, "log_delta": meeting}
        )

    def simulate(self, theta: Array, rng: Generator) -> Array:
        sizes = log_sizes(theta)
        return np.exp(sizes + NOISE * rng.standard_normal(sizes.shape))

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        away = (np.log(x) - log_sizes(theta)) / NOISE
        return np.asarray(-0.5 * (away**2).sum(-1))

    def posterior(self, x: Array) -> ParticlePosterior:
        rng = stream(0, "lotka_volterra", *map(float.hex, x.tolist()))
        return particle_posterior(self.prior, lambda theta: self.log_likelihood(theta, x), rng)


def log_sizes(theta: Array) -> Array:
    """log X and log Y at all times, with shape (n, 20)."""
    parts = np.array_split(theta, -(-len(theta) // TOGETHER))
    return np.concatenate([_solve(*np.exp(part).T) for part in parts])


def _solve(alpha: Array, beta: Array, gamma: Array, delta: Array) -> Array:
    n = len(alpha)

    def slope(_: float, state: Array) -> Array:
        prey, predators = np.exp(np.clip(state.reshape(2, n), -50, 50))
        return np.concatenate([alpha - beta * predators, delta * prey - gamma])

    start = np.repeat(np.log(START), n)
    found = integrate.solve_ivp(
        slope, TIMES[[0, -1]], start, method="DOP853", t_eval=TIMES, rtol=1e-5, atol=1e-6
    )
    return np.asarray(found.y.reshape(2, n, -1).transpose(1, 2, 0).reshape(n, -1))
