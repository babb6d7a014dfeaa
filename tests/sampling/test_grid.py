"""Draws and evidences of adaptive grids, against closed forms."""

import numpy as np
import pytest
from linear_posteriors import check_moments, gaussian, log_evidence, rng, whitened
from scipy import stats

from sbipipe.priors.prior import uniform_prior
from sbipipe.sampling.condition import condition
from sbipipe.sampling.grid import GridPosterior

N = 1000


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


@pytest.mark.parametrize(
    ("dims", "width", "observations", "missed"), [(2, 0.003, 40, 0), (3, 0.008, 16, 1)]
)
def test_a_spike_beside_a_broad_part_keeps_its_half(
    dims: int, width: float, observations: int, missed: int
):
    """Half of the mass in a Gaussian of width 0.15, half in a spike anywhere in the unit cube."""
    prior = uniform_prior(**{f"p{i}": (0.0, 1.0) for i in range(dims)})
    x = np.concatenate(
        [0.25 + 0.5 * rng().random((observations, dims)), rng(1).random((observations, dims))], 1
    )

    def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        parts = zip((x[:, :dims], x[:, dims:]), (0.15, width), strict=True)
        values = [stats.norm(centre, sd).logpdf(theta).sum(-1) for centre, sd in parts]
        return np.logaddexp(*values)

    posterior = condition(log_density, prior, x)
    masses = [
        np.prod(stats.norm(centre, sd).cdf(1.0) - stats.norm(centre, sd).cdf(0.0), 1)
        for centre, sd in ((x[:, :dims], 0.15), (x[:, dims:], width))
    ]
    right = np.abs(posterior.log_evidence - np.log(sum(masses))) < 0.1
    assert (~right).sum() <= missed
    near = np.abs(posterior.sample(N, rng(2)).draws - x[:, dims:]).max(-1) < 5 * width
    np.testing.assert_allclose(near.mean(0)[right], (masses[1] / sum(masses))[right], atol=0.12)


def test_a_density_that_is_undefined_anywhere_is_one_that_cannot_be_sampled():
    prior = uniform_prior(a=(0, 1), b=(0, 1))

    def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.where(theta[..., 0] < 0.01 * x[:, 0], np.nan, 0.0)

    posterior = condition(log_density, prior, np.array([[0.0], [1.0]]))
    assert posterior.failed.tolist() == [False, True]
