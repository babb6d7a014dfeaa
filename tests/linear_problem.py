"""A linear Gaussian problem, whose posterior is known, and networks that learn it in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from closed_form import exact_posterior
from rows import rows_of
from sbipipe.interfaces import Array, Dataset, Run
from sbipipe.protocols import Conditioned, Posterior
from sbipipe.simulators.linear_gaussian import LinearGaussian

SIMULATOR = LinearGaussian(dimension=2, observations=3, noise=0.7)

OPTIMISATION: dict[str, Any] = {
    "steps": 320,
    "patience": 80,
    "batch": 256,
    "learning_rate": 5e-3,
    "ema": 0.97,
}


SMALL: dict[str, Any] = {"hidden": 32, "ensemble": 1, "optimisation": OPTIMISATION}
"""Settings of one network that learns it."""


def simulate(n: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    theta = SIMULATOR.prior.sample(n, rng)
    return rows_of(
        theta=theta,
        x=SIMULATOR.simulate(theta, rng),
        group=np.arange(n),
        log_likelihood=SIMULATOR.log_likelihood,
    )


def longer(*splits: Dataset) -> list[Dataset]:
    """The same rows with ten numbers behind the data that say nothing more of theta."""
    rng = np.random.default_rng(7)
    noise = [rng.normal(size=(len(rows), 10)) + rows.x[:, :1] for rows in splits]
    return [
        rows_of(theta=rows.theta, x=np.concatenate([rows.x, more], 1))
        for rows, more in zip(splits, noise, strict=True)
    ]


def kl_from_exact(posterior: Conditioned, x: Array, n: int = 200) -> float:
    """Mean over observations of KL(exact || posterior) in nats, by draws of the exact one."""
    mean, covariance = exact_posterior(SIMULATOR, x)
    factor = np.linalg.cholesky(covariance)
    z = np.random.default_rng(0).standard_normal((n, *mean.shape))
    exact = -0.5 * (z**2).sum(-1) - np.log(2 * np.pi) - np.log(np.diag(factor)).sum()
    return float((exact - posterior.log_prob(mean + z @ factor.T)).mean())


def check_draws(posterior: Conditioned, x: Array, tolerance: float) -> None:
    """Draws have the exact moments, in units of the exact widths."""
    mean, covariance = exact_posterior(SIMULATOR, x)
    samples = posterior.sample(500, np.random.default_rng(1))
    width = np.sqrt(np.diag(covariance))
    assert np.abs((samples.draws.mean(0) - mean) / width).mean() < tolerance
    assert np.abs(samples.draws.std(0) / width - 1).mean() < tolerance
    np.testing.assert_allclose(posterior.log_prob(samples.draws), samples.log_prob, atol=1e-4)


TRAIN, VALID, TEST = simulate(5000, seed=1), simulate(1000, seed=2), simulate(100, seed=3)


def fit(estimator: Any, seed: int = 7) -> Posterior:
    posterior: Posterior = estimator.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=seed))[0]
    return posterior
