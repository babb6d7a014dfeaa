"""The tests reject the exact posterior at the stated rate, and wrong ones always."""

import numpy as np
import pytest
from scipy import stats

from closed_form import binomial, gaussian
from sbipipe.diagnostics.coverage import Coverage
from sbipipe.diagnostics.regions import Regions
from sbipipe.diagnostics.sbc import Sbc
from sbipipe.diagnostics.tarp import Tarp
from sbipipe.gate.testing import holm, run_tests

DIAGNOSTICS = {"sbc": Sbc(), "coverage": Coverage(), "tarp": Tarp(), "regions": Regions()}


@pytest.mark.parametrize("exact", [gaussian, binomial])
def test_the_exact_posterior_is_rejected_at_the_stated_rate_and_no_more(exact):
    """200 repeats at N = 200 and level 0.05; Holm over correlated tests is conservative."""
    rejected = sum(
        any(
            not test.passed
            for test in run_tests(exact(200, s, n=60), DIAGNOSTICS, level=0.05, root=s).values()
        )
        for s in range(200)
    )
    assert rejected <= stats.binom.ppf(0.999, 200, 0.05)
    assert rejected >= 1


@pytest.mark.parametrize("simulations", [500, 1000])
@pytest.mark.parametrize("case", [{"scale": 0.7}, {"scale": 1.3}, {"shift": 0.5}])
def test_wrong_posteriors_are_found_twenty_times_of_twenty(simulations, case):
    found = sum(
        any(
            not test.passed
            for test in run_tests(
                gaussian(simulations, s, n=60, **case), DIAGNOSTICS, level=0.01, root=s
            ).values()
        )
        for s in range(20)
    )
    assert found == 20


def test_a_test_more_changes_no_other_p_value():
    draws = gaussian(200, 6)
    some = run_tests(draws, {"tarp": Tarp(), "regions": Regions()}, level=0.01, root=1)
    more = run_tests(draws, DIAGNOSTICS, level=0.01, root=1)
    assert some["tarp.tarp"].p_value == more["tarp.tarp"].p_value
    assert some["tarp.tarp"].p_adjusted <= more["tarp.tarp"].p_adjusted


def test_holm_by_hand():
    np.testing.assert_allclose(
        holm(np.array([0.04, 0.01, 0.03, 0.9])), [0.09, 0.04, 0.09, 0.9], rtol=1e-12
    )
