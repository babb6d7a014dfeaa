"""Draws and evidences of importance sampling, and of the chains that stand in for it."""

import numpy as np
import pytest
from linear_posteriors import check_moments, gaussian, log_evidence, rng, whitened
from scipy import stats

from sbipipe.priors import Normal, ProductPrior, uniform_prior
from sbipipe.sampling.condition import condition
from sbipipe.sampling.importance import ImportancePosterior

N = 1000


@pytest.mark.parametrize(("largest_k", "observations"), [(0.7, 20), (-np.inf, 3)])
def test_six_dimensions_by_importance_sampling_and_by_chains(largest_k: float, observations: int):
    simulator, x = gaussian(6, 0.3, observations)
    posterior = ImportancePosterior(
        log_density=simulator.log_likelihood, prior=simulator.prior, x=x, largest_k=largest_k
    )
    assert len(posterior._chains) == (0 if largest_k > 0 else observations)
    np.testing.assert_allclose(posterior.log_evidence, log_evidence(simulator, x), atol=0.08)
    samples = posterior.sample(N, rng(2))
    assert (samples.effective_sample_size > 0.5 * N).all()
    check_moments(whitened(simulator, x, samples.draws), samples.effective_sample_size)


def test_importance_sampling_of_the_prior_itself():
    prior = uniform_prior(a=(0, 1), b=(0, 1), c=(0, 1), d=(2, 3))
    posterior = condition(lambda theta, x: np.zeros(theta.shape[:2]), prior, np.zeros((5, 1)))
    assert isinstance(posterior, ImportancePosterior)
    np.testing.assert_allclose(posterior.log_evidence, 0, atol=0.05)
    draws = posterior.sample(N, rng()).draws
    assert stats.kstest(draws[:, 0, 3], stats.uniform(2, 1).cdf).pvalue > 1e-3


def test_modes_of_six_dimensions_that_one_gaussian_cannot_cover():
    """Two modes at +-3 in the first parameter: half of the mass in each, whatever the method."""
    prior = ProductPrior({f"p{i}": Normal(kind="normal", loc=0, scale=3) for i in range(6)})
    centre = np.array([3.0, 0, 0, 0, 0, 0])

    def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        parts = [-0.5 * ((theta - s * centre) ** 2).sum(-1) / 0.3**2 for s in (-1, 1)]
        return np.logaddexp(*parts)

    posterior = condition(log_density, prior, np.zeros((1, 1)))
    draws = posterior.sample(N, rng()).draws
    assert abs((draws[:, 0, 0] > 0).mean() - 0.5) < 0.1
    exact = np.log(2) + sum(
        stats.norm(0, np.hypot(3, 0.3)).logpdf(c) + np.log(0.3 * np.sqrt(2 * np.pi)) for c in centre
    )
    assert posterior.log_evidence[0] == pytest.approx(exact, abs=0.1)
