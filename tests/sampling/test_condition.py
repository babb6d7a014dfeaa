"""What holds however the draws are made."""

from collections.abc import Callable

import numpy as np
import pytest
from linear_posteriors import gaussian, rng

from sbipipe.priors.prior import uniform_prior
from sbipipe.sampling.condition import condition


@pytest.mark.parametrize("dims", [2, 5])
@pytest.mark.parametrize("nothing", [-np.inf, np.nan])
def test_an_observation_that_cannot_be_sampled_says_so(dims: int, nothing: float):
    simulator, x = gaussian(dims, 0.5, 3)

    def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        values = simulator.log_likelihood(theta, np.nan_to_num(x))
        return np.where(np.isnan(x).any(1), nothing, values)

    x[1] = np.nan
    posterior = condition(log_density, simulator.prior, x)
    samples = posterior.sample(100, rng())
    assert samples.effective_sample_size[1] == 0
    assert np.isnan(samples.draws[:, 1]).all()
    assert np.isnan(samples.log_prob[:, 1]).all()
    assert np.isnan(posterior.log_prob(np.zeros((1, 3, dims)))[0]).tolist() == [False, True, False]
    assert np.isfinite(samples.draws[:, [0, 2]]).all()


@pytest.mark.parametrize("dims", [2, 5])
def test_equal_generators_give_equal_draws(dims: int):
    simulator, x = gaussian(dims, 0.5, 3)
    make: Callable[[], np.ndarray] = lambda: (  # noqa: E731
        condition(simulator.log_likelihood, simulator.prior, x).sample(50, rng(7)).draws
    )
    np.testing.assert_array_equal(make(), make())


@pytest.mark.parametrize("dims", [2, 5])
def test_log_prob_of_the_draws_is_the_one_that_came_with_them(dims: int):
    simulator, x = gaussian(dims, 0.5, 3)
    posterior = condition(simulator.log_likelihood, simulator.prior, x)
    samples = posterior.sample(50, rng())
    np.testing.assert_allclose(posterior.log_prob(samples.draws), samples.log_prob, atol=1e-6)


def test_outside_the_prior_the_density_is_zero():
    prior = uniform_prior(a=(0, 1), b=(0, 1))
    posterior = condition(lambda theta, x: np.zeros(theta.shape[:2]), prior, np.zeros((1, 1)))
    values = posterior.log_prob(np.array([[[0.5, 0.5]], [[0.5, 1.5]], [[-0.1, 0.5]]]))
    np.testing.assert_allclose(values[:, 0], [0, -np.inf, -np.inf], atol=1e-6)
