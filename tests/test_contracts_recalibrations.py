"""Laws that every recalibration obeys, on posteriors that are right, too sharp and too wide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import linear_problem
from contracts import kinds, quick
from sbipipe import storage
from sbipipe.estimators.exact import Exact
from sbipipe.interfaces import Array, Dataset, History, Run, Weights
from sbipipe.protocols import Posterior, Recalibration, Targeted

B = 6
"""Observations."""

PRIOR = linear_problem.SIMULATOR.prior
CALIBRATE = linear_problem.simulate(120, seed=11)
TEST = linear_problem.simulate(B, seed=12)
POWERS = (0.6, 1.0, 1.6)
"""What the exact log-likelihood is multiplied by."""


def raw(power: float) -> Posterior:
    def log_likelihood(theta: Array, x: Array) -> Array:
        return power * linear_problem.SIMULATOR.log_likelihood(theta, x)

    return Exact().restore(Weights(), PRIOR, log_likelihood)


def made(kind: str) -> Recalibration:
    """A kind that needs a target is given the exact posterior."""
    found: Recalibration | Targeted = quick("recalibrate", kind)
    return found.towards(raw(1.0)) if isinstance(found, Targeted) else found


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind and what it made of one posterior."""

    kind: str
    raw: Posterior
    mended: Posterior
    history: History

    def fit(self, calibrate: Dataset = CALIBRATE) -> Posterior:
        return made(self.kind).fit(self.raw, calibrate, PRIOR, Run(seed=7))[0]


@pytest.fixture(scope="module", params=kinds("recalibrate"))
def cases(request: pytest.FixtureRequest) -> list[Case]:
    kind = request.param
    found = []
    for power in POWERS:
        mended, history = made(kind).fit(raw(power), CALIBRATE, PRIOR, Run(seed=7))
        found.append(Case(kind=kind, raw=raw(power), mended=mended, history=history))
    return found


def test_draws_have_shapes_lie_in_the_prior_and_carry_their_density(cases: list[Case]) -> None:
    for case in cases:
        conditioned = case.mended.at(TEST.x)
        samples = conditioned.sample(50, np.random.default_rng(0))
        assert samples.draws.shape == (50, B, 2)
        assert samples.log_prob.shape == (50, B)
        assert samples.effective_sample_size.shape == (B,)
        assert (samples.effective_sample_size > 0).all()
        assert (samples.effective_sample_size <= 50).all()
        assert all(values.shape == (B,) for values in samples.figures.values())
        assert PRIOR.inside(samples.draws).all()
        np.testing.assert_allclose(conditioned.log_prob(samples.draws), samples.log_prob, atol=1e-4)


def test_the_density_integrates_to_one(cases: list[Case]) -> None:
    """Over quantiles of the prior, to what levels known by 2048 draws allow."""
    axis = (np.arange(120) + 0.5) / 120
    theta = PRIOR.from_unit(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2))
    theta = np.repeat(theta, B, 1)
    for case in cases:
        ratio = np.exp(case.mended.at(TEST.x).log_prob(theta) - PRIOR.log_prob(theta))
        np.testing.assert_allclose(ratio.mean(0), 1, atol=0.06)


def test_nats_that_a_wrong_width_costs_come_back(cases: list[Case]) -> None:
    """In part, since such a posterior is displaced towards the prior or from it as well; and of one
    that is right hardly any are lost. The few observations that a kind refuses do not count."""
    test = linear_problem.simulate(200, seed=13)
    exact = raw(1.0).at(test.x).log_prob(test.theta[None])[0]
    for case in cases:
        lost = [
            np.nanmean(exact - one.at(test.x).log_prob(test.theta[None])[0])
            for one in (case.raw, case.mended)
        ]
        assert lost[1] < max(lost[0], 0.01)


def test_the_log_ratio_is_the_density_up_to_a_constant(cases: list[Case]) -> None:
    """What another recalibration builds on; levels of two sets of 2048 draws differ a little."""
    theta = raw(1.0).at(TEST.x).sample(100, np.random.default_rng(1)).draws
    for case in cases:
        ratio = case.mended.log_ratio(theta, case.mended.digest(TEST.x)) + PRIOR.log_prob(theta)
        left = ratio - case.mended.at(TEST.x).log_prob(theta)
        assert (np.abs(left - np.median(left, 0)).mean(0) < 0.05).all()


def test_observations_do_not_touch_each_other(cases: list[Case]) -> None:
    theta = TEST.theta[None]
    for case in cases:
        together = case.mended.at(TEST.x).log_prob(theta)
        alone = [case.mended.at(TEST.x[b : b + 1]).log_prob(theta[:, b : b + 1]) for b in range(B)]
        np.testing.assert_allclose(together, np.concatenate(alone, 1), atol=0.15)


def test_outside_the_prior_the_density_is_zero(cases: list[Case]) -> None:
    theta = np.full((1, B, 2), np.inf)
    for case in cases:
        assert (case.mended.at(TEST.x).log_prob(theta) == -np.inf).all()


def test_an_observation_that_is_not_finite_fails_alone(cases: list[Case]) -> None:
    failed = np.arange(B) == 2
    x, theta = TEST.x.copy(), TEST.theta[None]
    x[2] = np.nan
    for case in cases:
        samples = case.mended.at(x).sample(20, np.random.default_rng(0))
        assert (np.isnan(samples.draws).all((0, 2)) == failed).all()
        assert (np.isnan(samples.log_prob).all(0) == failed).all()
        assert ((samples.effective_sample_size == 0) == failed).all()
        assert (np.isnan(case.mended.at(x).log_prob(theta))[0] == failed).all()


def test_equal_seeds_give_equal_weights_and_draws(cases: list[Case]) -> None:
    for case in cases:
        again = case.fit()
        for name, value in case.mended.weights.arrays.items():
            np.testing.assert_array_equal(again.weights.arrays[name], value)
        draws = [
            one.at(TEST.x).sample(20, np.random.default_rng(3)).draws
            for one in (case.mended, again)
        ]
        np.testing.assert_array_equal(*draws)


def test_restored_weights_give_the_same_bits(cases: list[Case], tmp_path: Path) -> None:
    for case in cases:
        storage.save_weights(tmp_path / "weights.safetensors", case.mended.weights)
        weights = storage.load_weights(tmp_path / "weights.safetensors")
        restored = made(case.kind).restore(weights, case.raw, PRIOR)
        theta = TEST.theta[None]
        np.testing.assert_array_equal(
            restored.at(TEST.x).log_prob(theta), case.mended.at(TEST.x).log_prob(theta)
        )


def test_rows_without_a_posterior_are_passed_over(cases: list[Case]) -> None:
    """Half of the rows spoiled are as good as half of the rows."""
    x = CALIBRATE.x.copy()
    x[1::2] = np.nan
    theta = TEST.theta[None]
    for case in cases:
        spoiled = case.fit(replace(CALIBRATE, x=x))
        half = case.fit(CALIBRATE.rows(slice(0, None, 2)))
        found = [one.at(TEST.x).log_prob(theta) for one in (spoiled, half)]
        np.testing.assert_allclose(*found, atol=0.1)


def test_rows_that_share_theta_are_no_obstacle(cases: list[Case]) -> None:
    rows = CALIBRATE.rows(np.repeat(np.arange(50), 2))
    for case in cases:
        assert np.isfinite(case.fit(rows).at(TEST.x).log_prob(TEST.theta[None])).all()


def test_what_is_mended_can_be_mended_again(cases: list[Case]) -> None:
    rows = CALIBRATE.rows(slice(0, 40))
    for kind in kinds("recalibrate"):
        twice, _ = made(kind).fit(cases[0].mended, rows, PRIOR, Run(seed=7))
        assert np.isfinite(twice.at(TEST.x).log_prob(TEST.theta[None])).all()


def test_what_it_says_of_itself_is_plain(cases: list[Case], tmp_path: Path) -> None:
    for case in cases:
        storage.save_history(tmp_path / "history.json", case.history)
        notes: dict[str, Any] = dict(storage.load_history(tmp_path / "history.json").notes)
        assert notes
        assert notes == case.history.notes
