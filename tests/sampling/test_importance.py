"""Draws and evidences of importance sampling, and of the chains that stand in for it."""

import numpy as np
import pytest
from linear_posteriors import check_moments, gaussian, log_evidence, rng, whitened
from scipy import stats

from sbipipe.priors.prior import Normal, ProductPrior, uniform_prior
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


def test_two_rings_in_four_dimensions_are_covered_by_many_components():
    """No Gaussian covers the product of two rings; a mixture does for most observations, without
    a bias: by symmetry the mean angle is uniform, and the radius has a known mean."""
    prior = ProductPrior({f"p{i}": Normal(kind="normal", loc=0, scale=1) for i in range(4)})

    def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        radius = np.linalg.norm(theta.reshape(*theta.shape[:2], 2, 2), axis=-1)
        return -0.5 * (((radius - 1) / 0.15) ** 2).sum(-1)

    posterior = ImportancePosterior(log_density=log_density, prior=prior, x=np.zeros((6, 1)))
    assert (posterior.k_hat <= 0.7).sum() >= 4
    r = np.linspace(0, 3, 3001)
    weight = r * np.exp(-0.5 * r**2 - 0.5 * ((r - 1) / 0.15) ** 2)
    exact = 2 * np.log(weight.sum() * (r[1] - r[0]))
    np.testing.assert_allclose(posterior.log_evidence, exact, atol=0.12)
    samples = posterior.sample(N, rng())
    assert (samples.effective_sample_size > 200).all()
    radius = np.linalg.norm(samples.draws.reshape(N, 6, 2, 2), axis=-1)
    assert radius.mean() == pytest.approx((weight * r).sum() / weight.sum(), abs=0.01)
    error = 4 * np.sqrt(0.5 / samples.effective_sample_size.min())
    assert (
        np.abs(
            (samples.draws / np.repeat(radius, 2, -1).reshape(samples.draws.shape)).mean(0)
        ).max()
        < error
    )


def test_four_modes_that_are_bent_keep_their_shares():
    """Of two parameters the square is known, and the noise depends on one of them, so that no mode
    is a normal. Each of the four has a quarter, and draws are plenty."""
    prior = uniform_prior(a=(-3, 3), b=(-3, 3), c=(-3, 3), d=(-3, 3), e=(-3, 3))
    scale = np.array([0.3, 0.8, 1.2])

    def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        a, b, c, d, e = np.moveaxis(theta, -1, 0)
        width = 0.1 + 0.2 * c**2
        parts = ((a - 0.5) / width, (b + 0.5) / width, np.log(width / (0.1 + 0.2 * x[:, 0])) / 0.1,
                 (d**2 - 2) / 0.3, (e - np.tanh(a)) / 0.2)  # fmt: skip
        return -0.5 * sum(part**2 for part in parts) - 2 * np.log(width)

    posterior = ImportancePosterior(log_density=log_density, prior=prior, x=scale[:, None] ** 2)
    samples = posterior.sample(N, rng(3))
    assert (samples.effective_sample_size > N / 4).all()
    signs = samples.draws[..., [2, 3]] > 0
    for which in (signs, ~signs, signs ^ np.array([True, False])):
        share = which.all(-1).mean(0)
        error = np.sqrt(3 / 16 / samples.effective_sample_size)
        assert (np.abs(share - 0.25) < 5 * error).all()
