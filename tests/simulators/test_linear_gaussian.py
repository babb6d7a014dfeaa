import numpy as np
import pytest
from scipy import stats

from closed_form import exact_posterior
from sbipipe.protocols import HasLikelihood, Simulator
from sbipipe.seeds import stream
from sbipipe.simulators.linear_gaussian import LinearGaussian

SIMULATOR = LinearGaussian(dimension=3, observations=5, noise=0.7, prior_scale=1.3)


def test_keeps_its_contracts():
    assert isinstance(SIMULATOR, Simulator)
    assert isinstance(SIMULATOR, HasLikelihood)
    assert SIMULATOR.prior.names == ("theta_0", "theta_1", "theta_2")


def test_design_is_a_polynomial():
    expected = np.vander(np.arange(1, 6) / 5, 3, increasing=True)
    np.testing.assert_allclose(SIMULATOR.design, expected)


def test_likelihood_is_the_normal_density():
    rng = np.random.default_rng(0)
    theta, x = rng.standard_normal((4, 2, 3)), rng.standard_normal((2, 5))
    expected = [
        [
            stats.multivariate_normal(SIMULATOR.design @ theta[i, b], 0.49).logpdf(x[b])
            for b in range(2)
        ]
        for i in range(4)
    ]
    np.testing.assert_allclose(SIMULATOR.log_likelihood(theta, x), expected)


def test_posterior_is_prior_times_likelihood():
    rng = np.random.default_rng(1)
    theta, x = rng.standard_normal((50, 1, 3)), rng.standard_normal((1, 5))
    mean, covariance = exact_posterior(SIMULATOR, x)
    exact = stats.multivariate_normal(mean[0], covariance).logpdf(theta[:, 0])
    joint = SIMULATOR.log_likelihood(theta, x) + SIMULATOR.prior.log_prob(theta)
    np.testing.assert_allclose(joint[:, 0] - exact, np.full(50, (joint[:, 0] - exact)[0]))


def test_posterior_is_calibrated():
    rng = stream(0, "calibrated")
    theta = SIMULATOR.prior.sample(4000, rng)
    mean, covariance = exact_posterior(SIMULATOR, SIMULATOR.simulate(theta, rng))
    squares = np.einsum("bi,ij,bj->b", theta - mean, np.linalg.inv(covariance), theta - mean)
    assert stats.kstest(squares, stats.chi2(3).cdf).pvalue > 1e-3


def test_equal_seeds_give_equal_data():
    theta = np.ones((2, 3))
    a, b = (SIMULATOR.simulate(theta, stream(1, "x")) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert a.shape == (2, 5)


@pytest.mark.parametrize("name", ["noise", "prior_scale"])
def test_scales_are_positive(name):
    with pytest.raises(ValueError, match="greater than 0"):
        LinearGaussian(**{name: 0.0})
