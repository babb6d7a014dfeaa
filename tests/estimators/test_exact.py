from dataclasses import replace

import pytest

from linear_problem import SIMULATOR, TEST, TRAIN, VALID, check_draws, fit, kl_from_exact
from sbipipe.estimators.exact import Exact
from sbipipe.interfaces import Run, Weights
from sbipipe.records import InputError


def test_is_the_closed_form():
    posterior = fit(Exact()).at(TEST.x)
    assert abs(kl_from_exact(posterior, TEST.x)) < 1e-3
    check_draws(posterior, TEST.x, tolerance=0.08)


def test_a_simulator_without_a_likelihood_is_an_error():
    with pytest.raises(InputError, match="simulator without a likelihood"):
        Exact().fit(replace(TRAIN, log_likelihood=None), VALID, SIMULATOR.prior, Run(seed=0))
    with pytest.raises(InputError, match="simulator without a likelihood"):
        Exact().restore(Weights(), SIMULATOR.prior)
