"""Every exact posterior obeys the law of exact posteriors, and agrees with another route."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from problems import PROBLEMS, KnownPosterior
from problems.g_and_k import GAndK
from problems.grid import grid_posterior
from problems.lotka_volterra import log_sizes
from problems.ornstein_uhlenbeck import STEP, TIMES, OrnsteinUhlenbeck
from problems.particles import particle_posterior
from problems.sir import DAYS, infected
from problems.spectrum import MODES, power
from sbipipe.interfaces import Array
from sbipipe.seeds import stream

SEED = 11
CLOSED = ("two_moons", "gaussian_mixture", "linear_uniform")
SLOW = ("g_and_k", "lotka_volterra")


def posterior(name: str, x: Array) -> KnownPosterior:
    """The exact posterior; of a coarser grid, which suffices here, where it is one."""
    problem = PROBLEMS[name]
    if name != "sir":
        return problem.posterior(x)
    return grid_posterior(
        problem.prior, lambda theta: problem.log_likelihood(theta, x), (60, 60, 90)
    )


@pytest.mark.parametrize(("name", "n"), [*((name, 200) for name in CLOSED), ("sir", 30)])
def test_truths_have_uniform_ranks_among_exact_draws(name: str, n: int) -> None:
    problem, rng = PROBLEMS[name], stream(SEED, name)
    theta = problem.prior.sample(n, rng)
    x = problem.simulate(theta, rng)
    ranks = np.empty((n, theta.shape[1] + 1))
    for i in range(n):
        exact = posterior(name, x[i])
        draws = exact.sample(200, rng)
        density = exact.log_prob(np.concatenate([theta[i : i + 1], draws]))
        ranks[i, :-1] = (draws < theta[i]).mean(0)
        ranks[i, -1] = (density[1:] < density[0]).mean()
    p_values = [stats.kstest(column, "uniform").pvalue for column in ranks.T]
    assert min(p_values) * len(p_values) > 0.01


@pytest.mark.parametrize("name", PROBLEMS)
def test_density_is_prior_times_likelihood(name: str) -> None:
    problem, rng = PROBLEMS[name], stream(SEED, name)
    x = problem.simulate(problem.prior.sample(1, rng), rng)[0]
    if name in SLOW:
        exact = particle_posterior(
            problem.prior, lambda theta: problem.log_likelihood(theta, x), rng, 200
        )
    else:
        exact = posterior(name, x)
    draws = exact.sample(50, rng)
    unnormalised = problem.prior.log_prob(draws) + problem.log_likelihood(draws, x)
    assert np.ptp(exact.log_prob(draws) - unnormalised) < 1e-6


@pytest.mark.parametrize("name", ["two_moons", "gaussian_mixture"])
def test_closed_forms_agree_with_a_grid(name: str) -> None:
    problem, rng = PROBLEMS[name], stream(SEED, "grid", name)
    x = problem.simulate(problem.prior.sample(1, rng), rng)[0]
    grid = grid_posterior(
        problem.prior, lambda theta: problem.log_likelihood(theta, x), (300, 1000)
    )
    theta = problem.posterior(x).sample(100, rng)
    np.testing.assert_allclose(
        problem.posterior(x).log_prob(theta), grid.log_prob(theta), atol=0.02
    )


def test_particles_agree_with_a_closed_form() -> None:
    problem, rng = PROBLEMS["linear_uniform"], stream(SEED, "particles")
    x = problem.simulate(problem.prior.sample(1, rng), rng)[0]
    exact = problem.posterior(x)
    found = particle_posterior(
        problem.prior, lambda theta: problem.log_likelihood(theta, x), rng, 1000
    )
    theta = exact.sample(20_000, rng)
    difference = found.log_prob(theta[:1]) - exact.log_prob(theta[:1])
    assert abs(difference[0]) < 5 * found.error < 0.5
    width = theta.std(0)
    assert np.abs((found.particles.mean(0) - theta.mean(0)) / width).max() < 5 / np.sqrt(300)
    assert np.abs(found.particles.std(0) / width - 1).max() < 5 / np.sqrt(600)


def test_g_and_k_density_is_that_of_its_quantiles() -> None:
    """phi(z) = p(Q(z)) dQ/dz, with the derivative taken numerically."""
    problem = GAndK()
    theta = np.array([[3.0, 1.0, 2.0, 0.5], [1.0, 8.0, 9.0, 6.0]])
    z, step = np.linspace(-3, 3, 61), 1e-6
    for one in theta:
        A, B, g, k = one

        def quantile(z: Array, A=A, B=B, g=g, k=k) -> Array:
            return A + B * (1 + 0.8 * np.tanh(g * z / 2)) * (1 + z**2) ** k * z

        slope = (quantile(z + step) - quantile(z - step)) / (2 * step)
        density = [problem.log_likelihood(one[None], quantile(z[i : i + 1]))[0] for i in range(61)]
        np.testing.assert_allclose(stats.norm.logpdf(z), density + np.log(slope), atol=1e-5)


def test_prey_and_predators_keep_what_is_conserved() -> None:
    """delta X - gamma log X + beta Y - alpha log Y is the same at all times."""
    problem = PROBLEMS["lotka_volterra"]
    theta = problem.prior.sample(50, stream(SEED, "predators"))
    prey, predators = log_sizes(theta).reshape(50, 10, 2).transpose(2, 0, 1)
    alpha, beta, gamma, delta = np.exp(theta).T[:, :, None]
    kept = delta * np.exp(prey) - gamma * prey + beta * np.exp(predators) - alpha * predators
    np.testing.assert_allclose(kept, np.broadcast_to(kept[:, :1], kept.shape), rtol=1e-3)


def test_a_series_that_returns_is_one_normal() -> None:
    """Its covariance falls exponentially with the time between two points."""
    theta = np.array([[0.5, 0.3, -0.4]])
    x = OrnsteinUhlenbeck().simulate(theta, stream(SEED, "ou"))[0]
    rate, sigma = np.exp(theta[0, 1:])
    apart = STEP * np.abs(np.subtract.outer(np.arange(TIMES), np.arange(TIMES)))
    covariance = sigma**2 / (2 * rate) * np.exp(-rate * apart)
    expected = stats.multivariate_normal(np.full(TIMES, theta[0, 0]), covariance).logpdf(x)
    np.testing.assert_allclose(OrnsteinUhlenbeck().log_likelihood(theta, x), [expected])


def test_spectra_scatter_as_their_modes_say() -> None:
    theta = PROBLEMS["spectrum"].prior.sample(1, stream(SEED, "spectrum"))
    x = PROBLEMS["spectrum"].simulate(theta.repeat(20_000, 0), stream(SEED, "spectra"))
    error = 5 / np.sqrt(20_000)
    np.testing.assert_allclose(x.mean(0) / power(theta)[0], 1, atol=error)
    np.testing.assert_allclose(MODES * x.var(0) / power(theta)[0] ** 2, 1, atol=3 * error)


def test_epidemics_solved_together_are_those_solved_alone() -> None:
    theta = PROBLEMS["sir"].prior.sample(200, stream(SEED, "epidemics"))
    together = infected(theta)
    for i in range(5):
        beta, gamma = np.exp(theta[i])
        alone = integrate.solve_ivp(
            lambda _, y, b=beta, g=gamma: [-b * y[0] * y[1], b * y[0] * y[1] - g * y[1]],
            DAYS[[0, -1]],
            [1 - 1e-6, 1e-6],
            t_eval=DAYS,
            rtol=1e-10,
            atol=1e-16,
        )
        np.testing.assert_allclose(together[i], alone.y[1], rtol=1e-4)
