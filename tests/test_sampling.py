"""Draws and evidences from densities whose posterior is known in closed form."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from closed_form import exact_posterior
from sbipipe.priors import Normal, ProductPrior, uniform_prior
from sbipipe.sampling import GridPosterior, ImportancePosterior, condition, evaluate, resample
from sbipipe.simulators.linear_gaussian import LinearGaussian

N = 1000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def gaussian(dims: int, noise: float, observations: int) -> tuple[LinearGaussian, np.ndarray]:
    """A linear simulator, and data from it."""
    simulator = LinearGaussian(dimension=dims, observations=2 * dims, noise=noise)
    return simulator, simulator.simulate(simulator.prior.sample(observations, rng()), rng(1))


def log_evidence(simulator: LinearGaussian, x: np.ndarray) -> np.ndarray:
    """x is normal: its density needs no posterior."""
    A = simulator.design
    covariance = A @ A.T * simulator.prior_scale**2 + simulator.noise**2 * np.eye(len(A))
    return stats.multivariate_normal(np.zeros(len(A)), covariance).logpdf(x)


def whitened(simulator: LinearGaussian, x: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Draws that should be standard normal."""
    mean, covariance = exact_posterior(simulator, x)
    return np.einsum("ij,nbj->nbi", np.linalg.inv(np.linalg.cholesky(covariance)), draws - mean)


def check_moments(z: np.ndarray, size: np.ndarray) -> None:
    """Mean and covariance of (n, B, D) within five standard errors, all observations pooled."""
    total = size.sum()
    assert np.abs(z.mean((0, 1))).max() < 5 / np.sqrt(total)
    covariance = np.einsum("nbi,nbj->ij", z, z) / np.prod(z.shape[:2])
    assert np.abs(covariance - np.eye(z.shape[-1])).max() < 5 * np.sqrt(2 / total)
    chi2 = (z.mean(0) ** 2 * size[:, None]).sum()
    assert stats.chi2(z[0].size).sf(chi2) > 1e-4


@pytest.mark.parametrize(
    ("dims", "noise", "observations"),
    [(1, 0.5, 40), (1, 1e-3, 20), (2, 0.5, 60), (2, 1e-3, 20), (3, 0.7, 15)],
)
def test_grid_gives_gaussian_posteriors(dims: int, noise: float, observations: int):
    simulator, x = gaussian(dims, noise, observations)
    posterior = condition(simulator.log_likelihood, simulator.prior, x)
    assert isinstance(posterior, GridPosterior)
    np.testing.assert_allclose(posterior.log_evidence, log_evidence(simulator, x), atol=0.03)
    samples = posterior.sample(N, rng(2))
    assert (samples.effective_sample_size > 0.5 * N).all()
    check_moments(whitened(simulator, x, samples.draws), samples.effective_sample_size)


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


def two_rings(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Two thin crescents, as in the two-moons benchmark, of mirrored shape."""
    parts = []
    for sign in (-1, 1):
        y = sign * theta - x
        radius = np.hypot(y[..., 0], y[..., 1])
        parts.append(-0.5 * ((radius - 0.2) / 0.01) ** 2 + 3 * y[..., 0] / radius)
    return np.logaddexp(*parts)


def test_two_modes_keep_their_shares_and_integrate_to_one():
    prior = uniform_prior(a=(-1, 1), b=(-1, 1))
    x = np.array([[0.4, 0.3], [-0.1, 0.45]])
    posterior = condition(two_rings, prior, x)
    samples = posterior.sample(4 * N, rng())
    axis = -1 + (np.arange(1200) + 0.5) / 600
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 1, 2)
    density = np.exp(posterior.log_prob(np.repeat(grid, 2, 1)))
    np.testing.assert_allclose(density.mean(0) * 4, 1, atol=0.03)
    share = (density * (grid[..., 0] > 0)).mean(0) * 4
    found = (samples.draws[..., 0] > 0).mean(0)
    assert (np.abs(found - share) < 4 * np.sqrt(0.25 / samples.effective_sample_size)).all()
    assert (samples.effective_sample_size > 2 * N).all()


def test_posterior_at_the_edge_of_the_prior():
    """theta ~ U(0, 1) seen at -0.1 +- 0.05: a truncated normal."""
    prior = uniform_prior(a=(0, 1))
    posterior = condition(
        lambda theta, x: stats.norm(theta[..., 0], 0.05).logpdf(x[:, 0]),
        prior,
        np.array([[-0.1], [1.2]]),
    )
    samples = posterior.sample(N, rng())
    exact = stats.truncnorm(2, 22, -0.1, 0.05)
    assert stats.kstest(samples.draws[:, 0, 0], exact.cdf).pvalue > 1e-3
    theta = np.linspace(-0.04, 0.3, 8)[:, None, None].repeat(2, 1)
    np.testing.assert_allclose(
        posterior.log_prob(theta)[:, 0], exact.logpdf(theta[:, 0, 0]), atol=0.02
    )
    assert prior.inside(samples.draws).all()


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


def test_evaluation_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    simulator, x = gaussian(2, 0.5, 7)
    theta = rng().standard_normal((11, 7, 2))
    whole = simulator.log_likelihood(theta, x)
    for pairs in (1, 5, 16):
        monkeypatch.setattr("sbipipe.sampling.PAIRS", pairs)
        np.testing.assert_allclose(evaluate(simulator.log_likelihood, theta, x), whole)


def test_systematic_resampling_keeps_proportions():
    weights = rng().random((40, 3))
    index = resample(weights, 10_000, rng(1))
    counts = np.stack([np.bincount(column, minlength=40) for column in index.T], 1)
    assert np.abs(counts - 10_000 * weights / weights.sum(0)).max() <= 1
