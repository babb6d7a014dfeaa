"""Posteriors that are known in closed form, wrong by a known amount where asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import stats

from sbipipe.config import Draw
from sbipipe.gate.controls import controls
from sbipipe.interfaces import Array, PosteriorDraws
from sbipipe.simulators.linear_gaussian import LinearGaussian


def exact_posterior(simulator: LinearGaussian, x: Array) -> tuple[Array, Array]:
    """Mean with shape (B, D) and covariance with shape (D, D), for x (B, L)."""
    A = simulator.design
    covariance = np.linalg.inv(
        A.T @ A / simulator.noise**2 + np.eye(simulator.dimension) / simulator.prior_scale**2
    )
    return np.asarray(x, np.float64) @ A @ covariance / simulator.noise**2, covariance


CONTROLS = controls(Draw())


def gaussian(
    simulations: int,
    seed: int,
    *,
    scale: float = 1.0,
    shift: float = 0.0,
    dimension: int = 2,
    correlation: float = 0.0,
    n: int = 200,
) -> PosteriorDraws:
    """theta ~ N(0, C), x = theta + noise ~ N(0, C): the posterior is N(x / 2, C / 2).

    The claimed posterior is `scale` as wide, and `shift` of its widths off in every parameter.
    """
    rng = np.random.default_rng(seed)
    unit = np.eye(dimension)
    covariance = (1 - correlation) * unit + correlation
    cholesky = np.linalg.cholesky(covariance)
    theta = rng.standard_normal((simulations, dimension)) @ cholesky.T
    x = theta + rng.standard_normal((simulations, dimension)) @ cholesky.T
    width = np.sqrt(0.5)
    mean = x / 2 + shift * width
    noise = rng.standard_normal((n, simulations, dimension)) @ cholesky.T
    claimed = scale**2 / 2 * covariance

    def log_prob(values: Array) -> Array:
        return np.asarray(stats.multivariate_normal(cov=claimed).logpdf(values - mean))

    prior = stats.multivariate_normal(cov=covariance).logpdf(theta)
    return record(
        mean + scale * width * noise, theta, log_prob, np.ones(dimension), np.reshape(prior, -1)
    )


def by_region(
    simulations: int,
    seed: int,
    *,
    narrow: float = 0.7,
    wide: float = 1.4,
    dimension: int = 2,
    wrong: tuple[int, ...] = (0, 1),
    n: int = 200,
) -> PosteriorDraws:
    """theta ~ N(0, 1), x = theta + noise ~ N(0, 1): the posterior is N(x / 2, 1 / 2).

    The parameters `wrong` are claimed `narrow` as wide where the first datum is above zero, and
    `wide` as wide elsewhere.
    """
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((simulations, dimension))
    x = theta + rng.standard_normal(theta.shape)
    width = np.full(theta.shape, np.sqrt(0.5))
    for i in wrong[:dimension]:
        width[:, i] *= np.where(x[:, 0] > 0, narrow, wide)
    draws = x / 2 + width * rng.standard_normal((n, *theta.shape))

    def log_prob(values: Array) -> Array:
        return np.asarray(stats.norm(x / 2, width).logpdf(values).sum(-1))

    given = {f"x{i}": column for i, column in enumerate(x.T)}
    prior = stats.norm.logpdf(theta).sum(-1)
    return replace(record(draws, theta, log_prob, np.ones(dimension), prior), given=given)


def binomial(simulations: int, seed: int, *, n: int = 200, trials: int = 3) -> PosteriorDraws:
    """theta ~ U(0, 1), x ~ Bin(trials, theta): posteriors Beta(x + 1, trials - x + 1), which
    pile up at the edges of the prior."""
    rng = np.random.default_rng(seed)
    theta = rng.random((simulations, 1))
    x = rng.binomial(trials, theta[:, 0])
    posterior = stats.beta(x + 1, trials - x + 1)
    draws = posterior.rvs((n, simulations), random_state=rng)[..., None]
    return record(
        draws,
        theta,
        lambda t: posterior.logpdf(t[..., 0]),
        np.array([1 / 12]),
        np.zeros(simulations),
    )


def record(
    draws: Array,
    theta: Array,
    log_prob: Callable[[Array], Array],
    prior_variance: Array,
    log_prior_truth: Array,
) -> PosteriorDraws:
    """What the draw stage would have stored."""
    with np.errstate(divide="ignore"):
        at_truth = {control.name: log_prob(control.preimage(theta, draws)) for control in CONTROLS}
        return PosteriorDraws(
            parameters=("omega_m", "sigma_8", "h", "n_s", "omega_b", "m_nu")[: theta.shape[1]],
            theta=theta,
            draws=draws,
            log_prob=log_prob(draws),
            log_prob_truth=log_prob(theta),
            log_prior_truth=log_prior_truth,
            log_prob_controls=at_truth,
            effective_sample_size=np.full(len(theta), float(len(draws))),
            prior_variance=prior_variance,
            seconds=0.001,
        )


def fail(draws: PosteriorDraws, rows: slice) -> PosteriorDraws:
    """The same with some observations that could not be sampled."""
    broken, log_prob = draws.draws.copy(), draws.log_prob.copy()
    truth, size = draws.log_prob_truth.copy(), draws.effective_sample_size.copy()
    broken[:, rows], log_prob[:, rows], truth[rows], size[rows] = np.nan, np.nan, np.nan, 0
    return replace(
        draws, draws=broken, log_prob=log_prob, log_prob_truth=truth, effective_sample_size=size
    )
