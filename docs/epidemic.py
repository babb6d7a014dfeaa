r"""An epidemic seen in ten counts: the simulations of the tutorial, and the exact posterior.

    python docs/epidemic.py data/raw/epidemic.npz observation.npy

    dS/dt = -beta S I / N,   dI/dt = beta S I / N - gamma I,   S + I = N = 10^6, I = 1 at t = 0,
    log beta ~ N(log 0.4, 0.5^2),   log gamma ~ N(log 0.125, 0.2^2)   [1 / day],
    x_i ~ Bin(1000, I(t_i) / N),   t_i = 0, 17, ..., 153 days

(SIR of sbibm, Lueckmann et al. 2021, arXiv:2101.04653). The likelihood is a product of binomials,
so the posterior can be computed on a grid and set beside what was learned.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, stats

Array = NDArray[np.float64]

NAMES = ("log_beta", "log_gamma")
PLACE, WIDTH = np.log([0.4, 0.125]), np.array([0.5, 0.2])
PEOPLE, TESTED = 1e6, 1000
DAYS = np.arange(0.0, 160.0, 17.0)
TRUTH = np.log([0.5, 0.14])
"""The parameters behind the observation."""


def infected(theta: Array) -> Array:
    """The share I / N on each day, with shape (n, 10), for theta (n, 2)."""
    (beta, gamma), n = np.exp(theta).T, len(theta)

    def slope(_: float, state: Array) -> Array:
        s, log_i = state[:n], state[n:]
        return np.concatenate([-beta * s * np.exp(log_i), beta * s - gamma])

    start = np.repeat([1 - 1 / PEOPLE, -np.log(PEOPLE)], n)
    options = {"method": "DOP853", "t_eval": DAYS, "rtol": 1e-7, "atol": 1e-9}
    return np.exp(integrate.solve_ivp(slope, DAYS[[0, -1]], start, **options).y[n:])


def simulate(theta: Array, rng: np.random.Generator) -> Array:
    """Ten counts for each theta, (n, 2) -> (n, 10)."""
    return rng.binomial(TESTED, infected(theta)).astype(float)


def simulations(n: int, seed: int) -> tuple[Array, Array]:
    """theta (n, 2) from the prior, and x (n, 10)."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(PLACE, WIDTH, (n, 2))
    return theta, simulate(theta, rng)


def observation() -> Array:
    """Ten counts at `TRUTH`."""
    return simulate(TRUTH[None], np.random.default_rng(1))[0]


def exact(x: Array, n: int, rng: np.random.Generator, side: int = 200) -> Array:
    """n draws from the exact posterior of one x (10,), on a grid around its mode."""
    low, high = PLACE - 4 * WIDTH, PLACE + 4 * WIDTH
    for _ in range(3):  # each grid is the part of the last one that holds the posterior
        axes = np.linspace(low, high, side)
        theta = np.stack(np.meshgrid(*axes.T, indexing="ij"), -1).reshape(-1, 2)
        log_prob = stats.norm.logpdf(theta, PLACE, WIDTH).sum(-1)
        log_prob += stats.binom.logpmf(x, TESTED, infected(theta)).sum(-1)
        held = theta[log_prob > log_prob.max() - 12]
        step = axes[1] - axes[0]
        low, high = held.min(0) - step, held.max(0) + step
    weight = np.exp(log_prob - log_prob.max())
    drawn = theta[rng.choice(len(theta), n, p=weight / weight.sum())]
    return drawn + step * rng.uniform(-0.5, 0.5, drawn.shape)


def main() -> None:
    """Write the files, or print the exact posterior."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="The npz file of the simulations.")
    parser.add_argument("observed", type=Path, help="The npy file of the observation.")
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--exact", action="store_true", help="Print the exact posterior instead.")
    options = parser.parse_args()
    if options.exact:
        draws = exact(np.load(options.observed), 20_000, np.random.default_rng(0))
        for name, one in zip(NAMES, draws.T, strict=True):
            low, median, high = np.quantile(one, [0.16, 0.5, 0.84])
            print(f"{name} {median:.4f} +{high - median:.4f} -{median - low:.4f}")
        return
    theta, x = simulations(options.rows, seed=0)
    np.savez(options.table, theta=theta, x=x)
    np.save(options.observed, observation())


if __name__ == "__main__":
    main()
