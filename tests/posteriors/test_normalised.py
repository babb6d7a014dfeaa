"""The density at any parameters, by the constant of an estimator's own draws.

Of the exact posterior of a linear Gaussian it is a closed form.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import exact_posterior
from linear_problem import SIMULATOR, simulate
from sbipipe.config import Draw
from sbipipe.estimators.exact import Exact
from sbipipe.interfaces import Array, Run, Weights
from sbipipe.posteriors import drawing
from sbipipe.posteriors.normalised import log_density
from sbipipe.protocols import Posterior
from sbipipe.recalibrations.levels import Levels

PRIOR, TEST = SIMULATOR.prior, simulate(12, seed=5)


def raw(power: float = 1.0) -> Posterior:
    def log_likelihood(theta: Array, x: Array) -> Array:
        return power * SIMULATOR.log_likelihood(theta, x)

    return Exact().restore(Weights(), PRIOR, log_likelihood)


def levelled() -> Posterior:
    return Levels().fit(raw(2.0), simulate(200, seed=6), PRIOR, Run(seed=0))[0]


def test_it_is_the_closed_form() -> None:
    posterior, rng = raw(), np.random.default_rng(0)
    draws = drawing.draw(posterior, TEST, PRIOR, Draw(draws=20), rng)
    mean, covariance = exact_posterior(SIMULATOR, TEST.x)
    theta = mean + rng.multivariate_normal(np.zeros(2), covariance, size=(30, len(TEST)))
    expected = stats.multivariate_normal(cov=covariance).logpdf(theta - mean)
    found = log_density(posterior, PRIOR, draws, TEST.x, theta)
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("made", [raw, levelled])
def test_it_is_what_a_posterior_says_that_integrates(made) -> None:
    posterior, rng = made(), np.random.default_rng(0)
    draws = drawing.draw(posterior, TEST, PRIOR, Draw(draws=20), rng)
    theta = raw().at(TEST.x).sample(200, rng).draws
    found = log_density(posterior, PRIOR, draws, TEST.x, theta)
    expected = posterior.at(TEST.x).log_prob(theta)
    assert np.abs((found - expected).mean(0)).max() < 0.1


def test_an_observation_without_draws_has_no_density() -> None:
    posterior, rng = raw(), np.random.default_rng(0)
    x = TEST.x.copy()
    x[3] = np.nan
    draws = drawing.draw(posterior, replace(TEST, x=x), PRIOR, Draw(draws=20), rng)
    found = log_density(posterior, PRIOR, draws, x, np.zeros((4, len(x), 2)))
    assert np.flatnonzero(np.isnan(found).all(0)).tolist() == [3]
    assert np.isfinite(np.delete(found, 3, 1)).all()
