r"""An epidemic seen in ten counts (sir of sbibm, Lueckmann et al. 2021, arXiv:2101.04653).

    dS/dt = -beta S I / N,   dI/dt = beta S I / N - gamma I,   S + I = N = 10^6, I = 1 at t = 0,
    log beta ~ N(log 0.4, 0.5^2),   log gamma ~ N(log 0.125, 0.2^2),
    x_i ~ Bin(1000, I(t_i) / N),   t_i = 0, 17, ..., 153 days.

Theta holds the two logarithms. The first count has a mean of 1/1000: it says nothing, and is zero
in nearly every simulation. With s = S / N and y = log I / N the equations are ds/dt = -beta s e^y
and dy/dt = beta s - gamma, which DOP853 solves for many parameters at once. The posterior is found
on a grid (`grid`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import integrate, stats

from problems.grid import GridPosterior, grid_posterior
from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import Normal, ProductPrior

PEOPLE, TESTED = 1e6, 1000
DAYS = np.arange(0.0, 160.0, 17.0)
TOGETHER = 5000
"""Parameters for which the equations are solved at once."""


@dataclass(frozen=True)
class Sir:
    """Two parameters, ten data."""

    @property
    def prior(self) -> ProductPrior:
        return ProductPrior(
            {
                "log_beta": Normal(kind="normal", loc=float(np.log(0.4)), scale=0.5),
                "log_gamma": Normal(kind="normal", loc=float(np.log(0.125)), scale=0.2),
            }
        )

    def simulate(self, theta: Array, rng: Generator) -> Array:
        return rng.binomial(TESTED, infected(theta)).astype(np.float64)

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        return np.asarray(stats.binom.logpmf(x, TESTED, infected(theta)).sum(-1))

    def posterior(self, x: Array) -> GridPosterior:
        return grid_posterior(self.prior, lambda theta: self.log_likelihood(theta, x))


def infected(theta: Array) -> Array:
    """The share I / N on each day, with shape (n, 10)."""
    parts = np.array_split(theta, -(-len(theta) // TOGETHER))
    return np.concatenate([_solve(*np.exp(part).T) for part in parts])


def _solve(beta: Array, gamma: Array) -> Array:
    n = len(beta)

    def slope(_: float, state: Array) -> Array:
        s, y = state[:n], state[n:]
        growth = beta * s
        return np.concatenate([-growth * np.exp(y), growth - gamma])

    start = np.repeat([1 - 1 / PEOPLE, -np.log(PEOPLE)], n)
    span = DAYS[[0, -1]]
    found = integrate.solve_ivp(
        slope, span, start, method="DOP853", t_eval=DAYS, rtol=1e-7, atol=1e-9
    )
    return np.asarray(np.exp(found.y[n:]))
