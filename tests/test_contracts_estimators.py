"""Laws that every estimator obeys. A new kind is tested as soon as its file exists."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linear_problem import SIMULATOR, TEST, TRAIN, VALID
from rows import rows_of
from sbipipe import plugins, storage
from sbipipe.interfaces import Estimator, InputError, Posterior, Run
from sbipipe.plugins import kinds

KINDS = kinds("estimators")
ON_FIELDS = {"diffusion"}
"""Their laws are in the kind's own file, on fields."""
QUICK: dict[str, dict[str, Any]] = {
    "npe": {"hidden": 8, "ensemble": 2, "optimisation": {"epochs": 2}},
    "nle": {"hidden": 8, "ensemble": 2, "optimisation": {"epochs": 2}},
    "nre": {"hidden": 8, "ensemble": 2, "contrasts": 4, "optimisation": {"epochs": 2}},
}
X = TEST.x[:6]


def make(kind: str) -> Estimator:
    made: Estimator = plugins.make("train", kind, QUICK.get(kind, {}), f"train.{kind}")
    return made


def fitted(kind: str, seed: int = 7) -> Posterior:
    return make(kind).fit(TRAIN.rows(slice(1000)), VALID, SIMULATOR.prior, Run(seed=seed))[0]


@pytest.fixture(scope="module", params=[kind for kind in KINDS if kind not in ON_FIELDS])
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def posterior(kind: str) -> Posterior:
    return fitted(kind)


def test_draws_have_shapes_lie_in_the_prior_and_carry_their_density(posterior: Posterior):
    conditioned = posterior.at(X)
    samples = conditioned.sample(50, np.random.default_rng(0))
    assert samples.draws.shape == (50, 6, 2)
    assert samples.log_prob.shape == (50, 6)
    assert samples.effective_sample_size.shape == (6,)
    assert ((samples.effective_sample_size > 0) & (samples.effective_sample_size <= 50)).all()
    assert SIMULATOR.prior.inside(samples.draws).all()
    np.testing.assert_allclose(conditioned.log_prob(samples.draws), samples.log_prob, atol=1e-4)


def test_the_density_integrates_to_one(posterior: Posterior):
    """Over quantiles of the prior, on a grid that no sampler uses."""
    axis = (np.arange(90) + 0.5) / 90
    q = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2)
    theta = np.repeat(SIMULATOR.prior.from_unit(q), 6, 1)
    ratio = np.exp(posterior.at(X).log_prob(theta) - SIMULATOR.prior.log_prob(theta))
    np.testing.assert_allclose(ratio.mean(0), 1, atol=0.03)


def test_observations_do_not_touch_each_other(posterior: Posterior):
    theta = TEST.theta[None, :6]
    together = posterior.at(X).log_prob(theta)
    alone = np.concatenate(
        [posterior.at(X[b : b + 1]).log_prob(theta[:, b : b + 1]) for b in range(6)], 1
    )
    np.testing.assert_allclose(together, alone, atol=0.03)


def test_outside_the_prior_the_density_is_zero(posterior: Posterior):
    theta = np.full((1, 6, 2), np.inf)
    assert (posterior.at(X).log_prob(theta) == -np.inf).all()


def test_an_observation_that_is_not_finite_fails_alone(posterior: Posterior):
    x = X.copy()
    x[2] = np.nan
    samples = posterior.at(x).sample(20, np.random.default_rng(0))
    failed = np.arange(6) == 2
    assert (np.isnan(samples.draws).all((0, 2)) == failed).all()
    assert (np.isnan(samples.log_prob).all(0) == failed).all()
    assert ((samples.effective_sample_size == 0) == failed).all()
    assert (np.isnan(posterior.at(x).log_prob(np.zeros((1, 6, 2))))[0] == failed).all()


def test_equal_seeds_give_equal_weights_and_draws(kind: str, posterior: Posterior):
    again = fitted(kind)
    for name, value in posterior.weights.arrays.items():
        np.testing.assert_array_equal(again.weights.arrays[name], value)
    draws = [p.at(X).sample(20, np.random.default_rng(3)).draws for p in (posterior, again)]
    np.testing.assert_array_equal(*draws)


def test_members_differ(posterior: Posterior):
    arrays = posterior.weights.arrays
    pairs = [
        (value, arrays[name.replace("member0/", "member1/")])
        for name, value in arrays.items()
        if name.startswith("member0/net") and value.dtype == np.float32 and value.size > 4
    ]
    assert all(np.abs(a - b).max() > 0 for a, b in pairs if np.ptp(a) > 0)


def test_restored_weights_give_the_same_bits(kind: str, posterior: Posterior, tmp_path: Path):
    storage.save_weights(tmp_path / "weights.safetensors", posterior.weights)
    weights = storage.load_weights(tmp_path / "weights.safetensors")
    restored = make(kind).restore(weights, SIMULATOR.prior, SIMULATOR.log_likelihood)
    theta = TEST.theta[None, :6]
    np.testing.assert_array_equal(restored.at(X).log_prob(theta), posterior.at(X).log_prob(theta))


def test_weights_of_another_configuration_are_an_error(kind: str, posterior: Posterior):
    if kind not in QUICK:
        assert not posterior.weights.arrays
        return
    other = plugins.make("train", kind, QUICK[kind] | {"hidden": 9}, f"train.{kind}")
    with pytest.raises(InputError, match="hidden: given 9; the weights were trained with 8"):
        other.restore(posterior.weights, SIMULATOR.prior)


def test_history_has_a_curve_for_every_member(kind: str):
    history = make(kind).fit(TRAIN.rows(slice(500)), VALID, SIMULATOR.prior, Run(seed=1))[1]
    assert len(history.curves) == (2 if kind in QUICK else 0)
    if kind in QUICK:
        assert sum(history.notes["weights"]) == pytest.approx(1)


def test_rows_that_share_theta_are_no_obstacle(kind: str):
    rows = TRAIN.rows(np.repeat(np.arange(100), 5))
    shared = rows_of(
        theta=rows.theta,
        x=SIMULATOR.simulate(rows.theta, np.random.default_rng(0)),
        group=np.repeat(np.arange(100), 5),
        log_likelihood=TRAIN.log_likelihood,
    )
    posterior = make(kind).fit(shared, shared, SIMULATOR.prior, Run(seed=1))[0]
    assert np.isfinite(posterior.at(X).log_prob(TEST.theta[None, :6])).all()
