"""Failures that follow the parameters are told from those that do not."""

import numpy as np
import pytest

from rows import rows_of
from sbipipe.priors.prior import uniform_prior
from sbipipe.sets.failing import failures, left_out

PRIOR = uniform_prior(omega_m=(0.1, 0.5), sigma_8=(0.6, 1.0))


def found(where, seed=0, n=800):
    rng = np.random.default_rng(seed)
    theta = PRIOR.sample(n, rng)
    return failures(theta, where(PRIOR.to_unit(theta), rng), PRIOR, rng)


def test_failure_at_one_end_names_the_parameter():
    given = found(lambda q, rng: (q[:, 1] > 0.9) & (rng.random(len(q)) < 0.5))
    assert given.depend
    assert given.parameter == "sigma_8"
    assert given.mean_quantile == pytest.approx(0.95, abs=0.03)


def test_failure_at_both_ends_is_seen():
    assert found(lambda q, rng: np.abs(q[:, 0] - 0.5) > 0.45).depend


def test_chance_is_seen_at_the_stated_rate():
    p = [found(lambda q, rng: rng.random(len(q)) < 0.05, seed, 200).p_value for seed in range(60)]
    assert np.mean(np.array(p) <= 0.1) <= 0.1 + 3 * np.sqrt(0.09 / 60)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_or_all_depend_on_nothing(share):
    given = found(lambda q, rng: rng.random(len(q)) < share)
    assert given.failed == share * given.simulations
    assert not given.depend


def test_a_simulation_of_which_a_row_is_left_out_has_failed():
    rng = np.random.default_rng(1)
    theta = np.repeat(PRIOR.sample(50, rng), 3, 0)
    rows = rows_of(theta, rng.random((150, 2)), group=np.repeat(np.arange(50), 3))
    keep = np.ones(150, bool)
    keep[[0, 1, 30]] = False
    given = left_out(rows, keep, PRIOR, rng)
    assert (given.failed, given.simulations) == (2, 50)
