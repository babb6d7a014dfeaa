"""What is right on average and wrong everywhere is found, with the region; and the exact is not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import binomial, by_region, fail, gaussian
from sbipipe.diagnostics.coverage import Coverage
from sbipipe.diagnostics.regions import Regions
from sbipipe.diagnostics.sbc import Sbc
from sbipipe.diagnostics.tarp import Tarp
from sbipipe.gate.testing import run_tests

OTHERS = {"sbc": Sbc(), "coverage": Coverage(), "tarp": Tarp()}
HIDDEN = {"narrow": 0.8, "wide": 1.273}
"""Widths whose ranks have the right dispersion on average: asin(1 / (1 + s^2)) sums to pi / 3."""


def result(draws, seed=0):
    (found,) = Regions()(draws, np.random.default_rng([seed, 1]))
    return found


def exact(simulations, seed, n=50):
    return by_region(simulations, seed, narrow=1.0, wide=1.0, n=n)


def few(simulations, seed, n=20):
    """Some observations have fewer effective draws than others."""
    draws = gaussian(simulations, seed, n=n, correlation=0.8)
    size = np.where(np.arange(simulations) % 3 == 0, 8.0, n)
    return replace(draws, effective_sample_size=size)


def discrete(simulations, seed, n=50):
    """A summary of four values, and one that is constant."""
    draws = binomial(simulations, seed, n=n)
    count = np.digitize(draws.draws.mean((0, 2)), [0.3, 0.5, 0.7])
    return replace(draws, given={"count": count, "constant": np.ones(simulations)})


@pytest.mark.parametrize("case", [exact, few, discrete])
def test_p_values_of_exact_posteriors_are_uniform(case):
    p = [result(case(80, s), s).p_value for s in range(100)]
    assert stats.kstest(p, "uniform").pvalue > 0.003


def test_what_is_exact_on_average_is_found_and_the_region_named():
    """300 simulations, 20 times; the tests of all ranks together find nothing."""
    hidden = [by_region(300, s, n=100, **HIDDEN) for s in range(20)]
    found = [result(draws) for draws in hidden]
    assert sum(one.p_value < 0.01 / 7 for one in found) >= 18
    named = ("x0 is", "the posterior mean of omega_m is", "the posterior width of")
    assert all(any(name in one.why for name in named) for one in found)
    assert all(one.numbers["regional"] > one.numbers["throughout"] for one in found)
    tests = (run_tests(draws, OTHERS, level=0.01, root=1) for draws in hidden)
    assert sum(all(test.passed for test in one.values()) for one in tests) >= 18


def test_words_say_which_parameter_is_wrong_and_where():
    draws = by_region(2000, 1, narrow=0.6, wide=1.6, wrong=(1,), n=100)
    found = result(
        replace(draws, log_prob=0 * draws.log_prob, log_prob_truth=draws.theta[:, 0] * 0)
    )
    assert "% interval of sigma_8 holds the truth in" in found.why
    assert "where x0 is" in found.why or "where the posterior" in found.why
    assert abs(found.numbers["width_there"]) > 5
    assert found.numbers["bias_there"] == 0


def test_a_width_by_region_is_found_for_one_parameter_and_for_one_of_six():
    assert result(by_region(300, 2, dimension=1)).p_value < 1e-4
    assert result(by_region(300, 2, dimension=6, wrong=(3,))).p_value < 1e-4


def test_the_prior_for_the_posterior_is_found_by_what_the_estimator_was_given():
    draws = exact(300, 3)
    rng = np.random.default_rng(4)
    values = rng.standard_normal(draws.draws.shape)

    def log_prob(theta):
        return stats.norm.logpdf(theta).sum(-1)

    prior = replace(
        draws, draws=values, log_prob=log_prob(values), log_prob_truth=log_prob(draws.theta)
    )
    found = result(prior)
    assert found.p_value < 1e-6
    assert "x" in found.why.split(" is ")[0]
    assert found.numbers["bias_there"] != 0
    assert result(replace(prior, given={})).p_value > 1e-3


def test_what_is_wrong_everywhere_is_no_region():
    found = result(gaussian(500, 5, scale=0.7))
    assert found.numbers["throughout"] > found.numbers["regional"]
    assert "where" not in found.why
    assert found.numbers["width_there"] < 0
    assert result(gaussian(500, 5, scale=1.4)).numbers["width_there"] > 0


def test_observations_that_fail_in_one_region_are_found_there():
    draws = exact(200, 6)
    order = np.argsort(draws.given["x1"])
    sorted_ = replace(
        draws,
        theta=draws.theta[order],
        draws=draws.draws[:, order],
        log_prob=draws.log_prob[:, order],
        log_prob_truth=draws.log_prob_truth[order],
        given={name: values[order] for name, values in draws.given.items()},
    )
    found = result(fail(sorted_, slice(0, 60)))
    assert found.p_value < 1e-6
    assert found.why.startswith("where x1 is below")


def test_the_curve_leaves_its_band_where_the_test_rejects_and_comes_back():
    found = result(by_region(500, 7, n=100, **HIDDEN)).curve
    height = np.abs(found.y)
    assert height.max() > found.upper[0]
    assert height[0] == 0
    assert height[-1] < height.max()
    curves = (result(exact(80, s), s).curve for s in range(100))
    outside = sum(np.abs(curve.y).max() > curve.upper[0] for curve in curves)
    assert outside <= stats.binom.ppf(0.999, 100, 0.01)
