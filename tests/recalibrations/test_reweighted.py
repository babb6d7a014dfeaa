"""The linear Gaussian posterior, by draws from another Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import stats

import linear_problem
from closed_form import exact_posterior
from sbipipe.estimators.exact import Exact
from sbipipe.interfaces import Array, Generator, History, Run, Samples, Weights
from sbipipe.protocols import Posterior
from sbipipe.recalibrations.reweighted import Reweighted
from sbipipe.records import parse

SIMULATOR = linear_problem.SIMULATOR
PRIOR = SIMULATOR.prior
TEST = linear_problem.simulate(40, seed=3)
EXACT = Exact().restore(Weights(), PRIOR, SIMULATOR.log_likelihood)


@dataclass(frozen=True)
class Rough:
    """The exact posterior `scale` times as wide and shifted by `shift` of its widths."""

    scale: float = 1.3
    shift: float = 0.3
    x: Array | None = None

    def at(self, x: Array) -> Rough:
        return Rough(self.scale, self.shift, x)

    def digest(self, x: Array) -> Array:
        return x

    def _moments(self) -> tuple[Array, Array]:
        assert self.x is not None
        mean, covariance = exact_posterior(SIMULATOR, self.x)
        return mean + self.shift * np.sqrt(np.diag(covariance)), self.scale**2 * covariance

    def sample(self, n: int, rng: Generator) -> Samples:
        mean, covariance = self._moments()
        noise = rng.standard_normal((n, *mean.shape)) @ np.linalg.cholesky(covariance).T
        size = np.full(len(mean), float(n))
        draws = mean + noise
        return Samples(draws=draws, log_prob=self.log_prob(draws), effective_sample_size=size)

    def log_prob(self, theta: Array) -> Array:
        mean, covariance = self._moments()
        found = stats.multivariate_normal(cov=covariance).logpdf(theta - mean)
        return np.asarray(found).reshape(theta.shape[:-1])

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        return self.at(digest).log_prob(theta) - PRIOR.log_prob(theta)

    @property
    def weights(self) -> Weights:
        return Weights()


def mended(proposal: Posterior, target: Posterior = EXACT, **config: Any) -> tuple[Any, History]:
    kind = parse(Reweighted, config, "recalibrate.it.config").towards(target)
    return kind.fit(proposal, linear_problem.simulate(60, seed=4), PRIOR, Run(seed=0))


def log_evidence(x: Array) -> Array:
    """log N(x; 0, A A^T s^2 + noise^2), for x (B, L)."""
    A = SIMULATOR.design
    covariance = SIMULATOR.prior_scale**2 * A @ A.T + SIMULATOR.noise**2 * np.eye(len(A))
    return np.asarray(stats.multivariate_normal(cov=covariance).logpdf(x))


def test_moments_and_evidence_are_those_of_the_target() -> None:
    """The weights of 4 n draws have the effective size that `effective_sample_size` is bounded by;
    the evidence's error is sqrt(1 / E - 1 / n) for E effective of n draws."""
    conditioned = mended(Rough())[0].at(TEST.x)
    n = 2000
    samples = conditioned.sample(n, np.random.default_rng(1))
    mean, covariance = exact_posterior(SIMULATOR, TEST.x)
    width = np.sqrt(np.diag(covariance))
    z = (samples.draws.mean(0) - mean) / width * np.sqrt(samples.effective_sample_size)[:, None]
    assert np.abs(z).max() < 4
    assert np.sqrt((z**2).mean()) < 1.3
    assert samples.draws.std(0).mean(0) / width == pytest.approx(1, abs=0.01)
    error = samples.figures["log_evidence"] - log_evidence(TEST.x)
    assert np.abs(error).max() < 4 / np.sqrt(2048)
    assert abs(error.mean()) < 4 / np.sqrt(2048 * len(error))


def test_the_density_at_the_truth_is_that_of_the_target() -> None:
    theta = TEST.theta[None]
    exact, found = (one.at(TEST.x).log_prob(theta) for one in (EXACT, mended(Rough())[0]))
    np.testing.assert_allclose(found, exact, atol=4 / np.sqrt(2048))


def test_the_effective_size_is_what_the_weights_leave() -> None:
    """Of a Gaussian s times as wide in D dimensions, (2 s^2 - 1)^(D/2) / s^(2D) of the draws."""
    scale = 2.0
    conditioned = mended(Rough(scale, 0.0))[0].at(TEST.x)
    n = 500
    share = (2 * scale**2 - 1) / scale**4
    size = conditioned.sample(n, np.random.default_rng(0)).effective_sample_size
    assert (size <= n).all()
    assert (size <= 4 * n * share * 1.1).all()
    assert size.mean() > 0.5 * n


def test_a_proposal_that_is_too_narrow_is_refused() -> None:
    """k-hat tends to 1 - s^2: at a third of the width, 0.89 in every direction."""
    posterior, history = mended(Rough(0.33, 0.0))
    conditioned = posterior.at(TEST.x)
    samples = conditioned.sample(100, np.random.default_rng(0))
    refused = samples.figures["pareto_k"] > 0.7
    assert refused.mean() > 0.7
    assert (np.isnan(samples.draws).all((0, 2)) == refused).all()
    assert (samples.effective_sample_size[refused] == 0).all()
    assert (np.isnan(conditioned.log_prob(TEST.theta[None])[0]) == refused).all()
    assert history.notes["share_refused"] > 0.7
    assert history.notes["rows_without_a_posterior"] == 60 * history.notes["share_refused"]


def test_what_it_gains_is_the_price_of_the_proposal() -> None:
    """KL(N(0, 1) || N(0, s^2)) in two dimensions."""
    scale = 1.5
    _, history = mended(Rough(scale, 0.0))
    price = 1 / scale**2 - 1 + 2 * np.log(scale)
    error = history.notes["nats_gained_error"]
    assert history.notes["nats_gained"] == pytest.approx(price, abs=3 * error)


def test_equal_weights_have_no_tail() -> None:
    samples = mended(EXACT)[0].at(TEST.x).sample(100, np.random.default_rng(0))
    assert (samples.figures["pareto_k"] == -np.inf).all()
    assert (samples.effective_sample_size == 100).all()
