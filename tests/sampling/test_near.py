"""Searches that begin near a posterior find it, and find what they were not told of as well."""

from dataclasses import replace

import numpy as np
import pytest
from linear_posteriors import check_moments, gaussian, log_evidence, rng, whitened

from closed_form import exact_posterior
from sbipipe.priors.prior import uniform_prior
from sbipipe.sampling.condition import condition
from sbipipe.sampling.near import Proposal, begin
from sbipipe.sampling.particles import log_normal
from sbipipe.sampling.unnormalised import FromDensity
from sbipipe.simulators.linear_gaussian import LinearGaussian

N = 1000


def check_exact(posterior: FromDensity, simulator: LinearGaussian, x: np.ndarray) -> None:
    """Its evidence, and the moments of its draws."""
    np.testing.assert_allclose(posterior.log_evidence, log_evidence(simulator, x), atol=0.1)
    samples = posterior.sample(N, rng(2))
    check_moments(whitened(simulator, x, samples.draws), samples.effective_sample_size)


@pytest.mark.parametrize("dims", [2, 3, 5])
@pytest.mark.parametrize("wrong", [0.0, 2.0])
def test_good_and_bad_guides_lead_to_the_same_posterior(dims: int, wrong: float):
    """A guide of two prior widths beside it is as good as one in its middle."""
    simulator, x = gaussian(dims, 0.3, 10)

    def near(x: np.ndarray) -> np.ndarray:
        return wrong + 0.3 * rng(5).standard_normal((64, len(x), dims))

    posterior = condition(simulator.log_likelihood, simulator.prior, x, near=near)
    check_exact(posterior, simulator, x)


def test_draws_like_the_posterior_leave_nothing_to_adapt():
    """Its evidence takes one set of particles; a guide elsewhere takes more."""
    simulator, x = gaussian(5, 0.3, 10)
    mean, covariance = exact_posterior(simulator, x)
    noise = rng(5).standard_normal((256, len(x), 5)) @ np.linalg.cholesky(covariance).T
    near = simulator.prior.to_unbounded(mean + noise)

    def evaluations(draws: np.ndarray) -> int:
        asked = []

        def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
            asked.append(theta.shape[0] * theta.shape[1])
            return simulator.log_likelihood(theta, x)

        condition(log_density, simulator.prior, x, near=lambda x: draws)
        return sum(asked)

    assert evaluations(near) == 1024 * len(x)
    assert evaluations(near + 2) > 2 * 1024 * len(x)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_spike_that_a_guide_knows_is_found(dims: int):
    """Half of the mass in a spike of 3e-4 of the prior, half spread over it."""
    prior = uniform_prior(**{f"p{i}": (0, 1) for i in range(dims)})
    centre, width = 0.3712, 3e-4
    height = -dims * np.log(width * np.sqrt(2 * np.pi))

    def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        spike = height - 0.5 * (((theta - centre) / width) ** 2).sum(-1)
        return np.logaddexp(spike, 0.0)

    def near(x: np.ndarray) -> np.ndarray:
        in_cube = centre + width * rng(1).standard_normal((64, len(x), dims))
        return np.asarray(prior.to_unbounded(in_cube))

    posterior = condition(log_density, prior, np.zeros((2, 1)), near=near)
    np.testing.assert_allclose(posterior.log_evidence, np.log(2), atol=0.1)
    draws = posterior.sample(N, rng(3)).draws
    inside = (np.abs(draws - centre) < 6 * width).all(-1).mean(0)
    np.testing.assert_allclose(inside, 0.5, atol=0.1)


def test_a_guide_that_knows_nothing_of_an_observation_leaves_the_prior():
    def near(x: np.ndarray) -> np.ndarray:
        return np.full((400, len(x), 2), 3.0) + np.where(x[:, :1] > 0, np.nan, 0.0)

    draws = begin(near, np.array([[-1.0], [1.0]]))
    assert (draws[:, 0] == 3).all()
    np.testing.assert_allclose(draws[:, 1].mean(0), 0, atol=0.2)
    np.testing.assert_allclose(draws[:, 1].std(0), 1, atol=0.15)


def proposal_of(simulator: LinearGaussian, shift: float, width: float) -> Proposal:
    """Normals whose centres are so many prior widths beside the posteriors', and so wide."""

    def centre(x: np.ndarray) -> np.ndarray:
        return np.asarray(simulator.prior.to_unbounded(exact_posterior(simulator, x)[0])) + shift

    def draws(n: int, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return centre(x) + width * rng.standard_normal((n, len(x), len(simulator.prior.names)))

    def log_ratios(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        u = simulator.prior.to_unbounded(theta)
        log_q = log_normal((u - centre(x)) / width) - u.shape[-1] * np.log(width)
        return np.stack([simulator.log_likelihood(theta, x), log_q - log_normal(u)])

    return Proposal(draws=draws, log_ratios=log_ratios)


@pytest.mark.parametrize(("shift", "width"), [(0.0, 0.15), (0.2, 0.3), (3.0, 0.15), (np.nan, 1.0)])
def test_good_and_bad_proposals_lead_to_the_same_posterior(shift: float, width: float):
    simulator, x = gaussian(5, 0.3, 10)
    proposal = proposal_of(simulator, shift, width)
    posterior = condition(simulator.log_likelihood, simulator.prior, x, proposal=proposal)
    check_exact(posterior, simulator, x)


@pytest.mark.parametrize("dims", [1, 2])
def test_with_few_parameters_a_grid_is_for_where_a_proposal_that_covers_does_not_do(dims: int):
    """That of observations with a positive first number is far away."""
    simulator, x = gaussian(dims, 0.3, 10)
    _, covariance = exact_posterior(simulator, x)
    width = float(np.sqrt(np.diag(covariance)).max())
    good, bad = (proposal_of(simulator, shift, width) for shift in (0.0, 3.0))
    asked = []

    def draws(n: int, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        both = good.draws(n, x, rng), bad.draws(n, x, rng)
        return np.where(x[:, :1] > 0, both[1], both[0])

    def log_ratios(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.where(x[:, 0] > 0, bad.log_ratios(theta, x), good.log_ratios(theta, x))

    def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        asked.append(x)
        return simulator.log_likelihood(theta, x)

    proposal = Proposal(draws=draws, log_ratios=log_ratios, covers=True)
    posterior = condition(log_density, simulator.prior, x, proposal=proposal)
    gridded, far = set(np.concatenate(asked)[:, 0]), set(x[x[:, 0] > 0, 0])
    assert far <= gridded < set(x[:, 0])
    check_exact(posterior, simulator, x)


def test_with_few_parameters_what_a_proposal_does_not_know_of_is_found():
    """The other of two equal parts of the posterior."""
    prior, width = uniform_prior(a=(0, 1), b=(0, 1)), 0.05
    height = -2 * np.log(width * np.sqrt(2 * np.pi))

    def part(theta: np.ndarray, centre: float) -> np.ndarray:
        return height - 0.5 * (((theta - centre) / width) ** 2).sum(-1)

    def log_density(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.logaddexp(part(theta, 0.3), part(theta, 0.7)) - np.log(2)

    def draws(n: int, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        theta = 0.3 + width * rng.standard_normal((n, len(x), 2))
        return np.asarray(prior.to_unbounded(theta))

    def log_ratios(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.stack([log_density(theta, x), part(theta, 0.3)])

    proposal = Proposal(draws=draws, log_ratios=log_ratios)
    posterior = condition(log_density, prior, np.zeros((3, 1)), proposal=proposal)
    np.testing.assert_allclose(posterior.log_evidence, 0, atol=0.05)
    lower = (posterior.sample(N, rng(3)).draws.sum(-1) < 1).mean(0)
    np.testing.assert_allclose(lower, 0.5, atol=0.1)
    trusted = replace(proposal, covers=True)
    posterior = condition(log_density, prior, np.zeros((3, 1)), proposal=trusted)
    np.testing.assert_allclose(posterior.log_evidence, -np.log(2), atol=0.05)


def test_a_good_proposal_needs_half_the_particles_and_few_draws():
    """One and a half weighted draws for a draw, where they come from the posterior nearly."""
    simulator, x = gaussian(5, 0.3, 10)
    _, covariance = exact_posterior(simulator, x)
    one, asked = proposal_of(simulator, 0.0, float(np.sqrt(np.diag(covariance)).mean())), []

    def log_ratios(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        asked.append(theta.shape[0] * theta.shape[1])
        return one.log_ratios(theta, x)

    counted = Proposal(draws=one.draws, log_ratios=log_ratios)
    posterior = condition(simulator.log_likelihood, simulator.prior, x, proposal=counted)
    assert sum(asked) == 512 * len(x)
    posterior.sample(N, rng(2))
    assert sum(asked) <= (512 + 2 * N) * len(x)
