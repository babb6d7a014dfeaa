"""Nats gained over the prior: those of a closed form, none for the prior itself."""

from dataclasses import replace

import numpy as np
import pytest

from closed_form import fail, gaussian
from sbipipe.gate.gain import gain


def test_the_gain_is_the_mutual_information():
    """log(prior width / posterior width) = log(2) / 2 for each parameter."""
    found = gain(gaussian(4000, 1, n=20))
    assert abs(found.nats.mean - np.log(2)) < 4 * found.nats.se
    assert found.hedged == pytest.approx(found.nats.mean, abs=0.01)
    assert found.p_value < 1e-9


def test_the_prior_gains_nothing():
    draws = gaussian(500, 2)
    prior = replace(draws, log_prob_truth=draws.log_prior_truth)
    assert gain(prior).nats.mean == 0
    assert not gain(prior).shown(0.01)
    rounded = replace(draws, log_prob_truth=draws.log_prior_truth + 1e-6)
    assert not gain(rounded).shown(0.01)


def test_a_gain_of_the_size_of_its_error_is_shown_at_the_stated_rate():
    rng = np.random.default_rng(3)
    draws = gaussian(300, 3)
    noise = [gain(replace(draws, log_prob_truth=draws.log_prior_truth + 0.3 * z - 0.045))
             for z in rng.standard_normal((1000, 300))]  # fmt: skip
    assert np.mean([one.shown(0.05) for one in noise]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


def test_a_truth_without_density_is_a_bounded_loss():
    draws = gaussian(500, 4)
    truth = draws.log_prob_truth.copy()
    truth[0] = -np.inf
    found = gain(replace(draws, log_prob_truth=truth))
    assert found.nats.infinite == 1
    assert np.isneginf(found.nats.mean)
    lost = (gain(draws).hedged - found.hedged) * 500
    own = draws.log_prob_truth[0] - draws.log_prior_truth[0]
    assert lost == pytest.approx(np.log(502) + own, abs=0.1)


def test_observations_that_could_not_be_sampled_have_no_gain():
    found = gain(fail(gaussian(100, 5), slice(0, 40)))
    assert (found.nats.failed, found.nats.count) == (40, 60)
    assert gain(fail(gaussian(100, 5), slice(0, 100))).p_value == 1
