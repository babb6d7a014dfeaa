"""Posteriors made elsewhere are put to the pipeline's tests: exact ones pass, others do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import sbipipe
from closed_form import CONTROLS, exact_posterior
from sbipipe.interfaces import Array
from sbipipe.records import InputError
from sbipipe.simulators.linear_gaussian import LinearGaussian
from sbipipe.studies.normals import Normals

SIMULATOR = LinearGaussian(dimension=2, observations=3, noise=0.7)
N, DRAWS = 600, 400
WAYS = ("function", "arrays", "draws alone")


class Posteriors:
    """The exact posteriors of N simulations, `scale` times as wide."""

    def __init__(self, scale: float, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.theta = SIMULATOR.prior.sample(N, rng)
        self.x = SIMULATOR.simulate(self.theta, rng)
        self.mean, covariance = exact_posterior(SIMULATOR, self.x)
        self.covariance = scale**2 * covariance
        noise = rng.standard_normal((DRAWS, N, 2))
        self.draws = self.mean + noise @ np.linalg.cholesky(self.covariance).T

    def log_prob(self, theta: Array) -> Array:
        normal = stats.multivariate_normal(cov=self.covariance)
        return np.reshape(normal.logpdf(theta - self.mean), theta.shape[:2])

    def given(self, way: str) -> dict[str, Any]:
        if way == "function":
            return {"log_prob": self.log_prob}
        if way == "arrays":
            at_draws, at_truth = self.log_prob(self.draws), self.log_prob(self.theta[None])[0]
            return {"log_prob": at_draws, "log_prob_truth": at_truth}
        return {}


@pytest.mark.parametrize("way", WAYS)
def test_exact_draws_pass(way: str) -> None:
    one = Posteriors(1.0)
    verdict = sbipipe.judge(one.theta, one.draws, prior=SIMULATOR.prior, x=one.x, **one.given(way))
    assert verdict.verdict == "calibrated", verdict.reasons
    assert all(control.found for control in verdict.controls.values())
    assert verdict.n_test == N
    assert verdict.n_draws == (DRAWS // 2 if way == "draws alone" else DRAWS)


@pytest.mark.parametrize("way", WAYS)
def test_draws_narrowed_by_a_fifth_are_found(way: str) -> None:
    one = Posteriors(0.8)
    verdict = sbipipe.judge(one.theta, one.draws, prior=SIMULATOR.prior, **one.given(way))
    assert verdict.verdict == "overconfident"
    assert not verdict.published
    for margin in verdict.margins.values():
        assert margin.width.low < 0.8 < margin.width.high


def test_a_prior_that_is_not_given_is_estimated_from_theta() -> None:
    """The gain is E log q(theta | x) - E log p(theta), the second within the error of its mean."""
    one = Posteriors(1.0)
    given = one.given("arrays")
    known = sbipipe.judge(one.theta, one.draws, prior=SIMULATOR.prior, **given)
    unknown = sbipipe.judge(one.theta, one.draws, **given)
    assert unknown.verdict == "calibrated"
    error = SIMULATOR.prior.log_prob(one.theta).std() / np.sqrt(N)
    assert unknown.gain.nats.mean == pytest.approx(known.gain.nats.mean, abs=5 * error)
    assert set(unknown.margins) == {"theta_0", "theta_1"}


def test_ranges_are_a_uniform_prior() -> None:
    """Draws of the prior itself are calibrated, and tell nothing."""
    rng = np.random.default_rng(3)
    theta, draws = rng.uniform(0, 2, (N, 1)), rng.uniform(0, 2, (100, N, 1))
    verdict = sbipipe.judge(
        theta, draws, lambda points: np.full(points.shape[:2], -np.log(2)), prior={"a": (0, 2)}
    )
    assert verdict.verdict == "uninformative"
    assert verdict.gain.nats.mean == pytest.approx(0, abs=1e-12)
    assert set(verdict.margins) == {"a"}


def test_a_control_given_as_arrays_has_the_rank_of_its_density() -> None:
    """For normal posteriors, whose density is the normal's: the share of draws with less density
    than the truth's image is the same, but for the error of the normal's moments."""
    one = Posteriors(1.0)
    from sbipipe.studies.judging import _matched

    own = one.log_prob(one.draws)
    images = {c.name: c.preimage(one.theta, one.draws) for c in CONTROLS}
    for name, found in _matched(one.draws, own, images).items():
        rank = (own < found).mean(0)
        exact = (own < one.log_prob(images[name][None])).mean(0)
        assert np.abs(rank - exact).max() < 5 / np.sqrt(DRAWS), name


def test_normals_have_the_moments_of_the_draws() -> None:
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((200, 3, 2)) @ np.array([[1.0, 0.4], [0.0, 2.0]]) + 5
    points = rng.standard_normal((4, 3, 2))
    found = Normals.of(draws).log_prob(points)
    for b in range(3):
        expected = stats.multivariate_normal(draws[:, b].mean(0), np.cov(draws[:, b].T, ddof=0))
        np.testing.assert_allclose(found[:, b], expected.logpdf(points[:, b]), rtol=1e-6)


def test_an_observation_whose_draws_do_not_vary_has_failed() -> None:
    one = Posteriors(1.0)
    one.draws[:, :5] = 0.5
    one.draws[:, 5] = np.nan
    verdict = sbipipe.judge(one.theta, one.draws, prior=SIMULATOR.prior)
    assert verdict.failed == 6


def test_the_page_says_what_was_judged(tmp_path: Path) -> None:
    one = Posteriors(0.8)
    verdict = sbipipe.judge(one.theta, one.draws, name="<chain>", folder=tmp_path / "judged")
    page = (tmp_path / "judged/index.html").read_text()
    assert "&lt;chain&gt;" in page
    assert "<chain>" not in page
    assert "overconfident" in page
    assert "a normal fitted to half of the draws" in page
    assert "The prior is an estimate from the true parameters" in page
    assert page.count("<img") == len(verdict.tests) + 1
    saved = json.loads((tmp_path / "judged/coverage.json").read_text())
    assert saved["estimators"]["<chain>"]["verdict"] == "overconfident"


def test_every_problem_is_named_at_once() -> None:
    theta, draws = np.zeros((5, 2)), np.zeros((10, 4, 2))
    with pytest.raises(InputError) as error:
        sbipipe.judge(theta, draws, np.zeros((3, 3)), prior={"a": (0, 1), "b": (0, 1)})
    assert error.value.problems == (
        "log_prob: given shape (3, 3); allowed: (10, 5)",
        "draws: given shape (10, 4, 2); allowed: (n, 5, 2)",
        "draws: given 10 of each simulation; allowed: 20 or more",
        "log_prob_truth: allowed beside an array log_prob, and nowhere else; given nothing",
    )


@pytest.mark.parametrize(
    ("prior", "line"),
    [
        ({"a": (0, 1)}, r"prior: given 1 parameters \(a\); allowed: 2, as theta has columns"),
        ({"a": (1, 0), "b": (0, 1)}, "prior.a.uniform: low 1 must be below high 0"),
        ({"a": (0, 1), "b": ("x", 1)}, r'prior.b: given \["x", 1\]'),
        ({"a": (0, 1), "b": (0, float("nan"))}, "prior.b.high: given NaN; allowed: a number"),
        ({"draw": (0, 1), "b": (0, 1)}, "prior.draw: .* the name 'draw' is not allowed"),
        ({"a": {"kind": "cauchy"}, "b": {"kind": "cauchy"}}, "prior"),
    ],
)
def test_a_prior_that_is_none_is_refused(prior: Any, line: str) -> None:
    one = Posteriors(1.0)
    with pytest.raises(InputError, match=line):
        sbipipe.judge(one.theta, one.draws, prior=prior)
