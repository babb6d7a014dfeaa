"""Under a joint normal prior the linear Gaussian problem has a normal posterior, which all find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from linear_problem import SMALL
from rows import rows_of
from sbipipe.estimators.exact import Exact
from sbipipe.estimators.nle import Nle
from sbipipe.estimators.npe import Npe
from sbipipe.interfaces import Array, Dataset, Run
from sbipipe.priors.prior import PriorField
from sbipipe.records import parse
from sbipipe.simulators.linear_gaussian import LinearGaussian

MEAN, COVARIANCE = np.array([0.5, -1.0]), np.array([[1.0, 0.48], [0.48, 0.36]])
PRIOR = TypeAdapter(PriorField).validate_python(
    {"a, b": {"kind": "multivariate_normal", "mean": MEAN.tolist(),
              "covariance": COVARIANCE.tolist()}}
)  # fmt: skip
SIMULATOR = LinearGaussian(prior=PRIOR, observations=3, noise=0.7)


def simulate(n: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    theta = PRIOR.sample(n, rng)
    x = SIMULATOR.simulate(theta, rng)
    return rows_of(theta, x, np.arange(n), log_likelihood=SIMULATOR.log_likelihood)


def known(x: Array) -> tuple[Array, Array]:
    """Mean (B, 2) and covariance (2, 2) of the posterior of x (B, 3)."""
    A, precision = SIMULATOR.design, np.linalg.inv(COVARIANCE)
    covariance = np.linalg.inv(A.T @ A / SIMULATOR.noise**2 + precision)
    return (x @ A / SIMULATOR.noise**2 + precision @ MEAN) @ covariance, covariance


@pytest.mark.parametrize(
    ("kind", "settings", "most"),
    [
        (Exact, {}, 2e-3),
        (Npe, {**SMALL, "density": "mdn"}, 0.05),
        (Nle, {**SMALL, "density": "zuko_maf"}, 0.05),
    ],
)
def test_the_posterior_is_the_closed_form(
    kind: type, settings: dict[str, Any], most: float
) -> None:
    train, valid, test = simulate(5000, 1), simulate(1000, 2), simulate(50, 3)
    posterior = parse(kind, settings, "it").fit(train, valid, PRIOR, Run(seed=7))[0].at(test.x)
    mean, covariance = known(test.x)
    factor = np.linalg.cholesky(covariance)
    z = np.random.default_rng(0).standard_normal((200, *mean.shape))
    exact = -0.5 * (z**2).sum(-1) - np.log(2 * np.pi) - np.log(np.diag(factor)).sum()
    assert (exact - posterior.log_prob(mean + z @ factor.T)).mean() < most
    draws = posterior.sample(1000, np.random.default_rng(1)).draws
    width = np.sqrt(np.diag(covariance))
    assert np.abs((draws.mean(0) - mean) / width).mean() < 0.12
    assert np.abs(draws.std(0) / width - 1).mean() < 0.12
