"""A correlation that the draws have not is found, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import fail, gaussian
from sbipipe.gate.correlations import correlations


def result(draws, seed=0):
    (found,) = correlations(draws, 0.01, np.random.default_rng([seed, 6]))
    return found


def dropped(draws, i=1, seed=0):
    """The same draws, where parameter i has lost its correlation with the others."""
    values = draws.draws.copy()
    values[..., i] = np.random.default_rng([seed, 7]).permuted(values[..., i], axis=0)
    return replace(draws, draws=values)


@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_p_values_of_exact_posteriors_are_uniform(correlation):
    p = [
        result(gaussian(60, s, n=40, dimension=3, correlation=correlation), s).p_value
        for s in range(100)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.003


def test_a_dropped_correlation_is_found_at_three_hundred_simulations():
    found = [result(dropped(gaussian(300, s, n=100, correlation=0.7), seed=s)) for s in range(20)]
    assert all(one.p_value < 0.01 / 7 for one in found)
    assert np.mean([one.numbers["correlation"] for one in found]) == pytest.approx(0.7, abs=0.03)
    assert np.mean([one.numbers["correlation_drawn"] for one in found]) == pytest.approx(
        0, abs=0.02
    )


def test_the_pair_is_named_among_those_of_six_parameters():
    draws = gaussian(300, 1, n=50, dimension=6, correlation=0.8)
    values = np.random.default_rng(8).permuted(draws.draws[..., 4], axis=0)
    kept = replace(draws, draws=draws.draws.copy())
    kept.draws[..., 4] = values
    found = result(kept)
    assert found.p_value < 1e-6
    assert "omega_b" in found.why


def test_the_way_of_the_error_is_that_of_the_correlation():
    weak = result(dropped(gaussian(500, 2, n=100, correlation=-0.6)))
    assert weak.numbers["correlation"] < -0.4
    assert weak.curve.y[5] < 0  # fewer truths at the ends of the sum than of the difference


@pytest.mark.parametrize("scale", [0.7, 1.4])
def test_the_width_is_left_to_other_tests(scale):
    p = [result(gaussian(300, s, n=60, scale=scale), s).p_value for s in range(40)]
    assert np.sum(np.array(p) < 0.05) <= stats.binom.ppf(0.999, 40, 0.05)


def test_one_parameter_has_no_pair():
    assert correlations(gaussian(50, 1, dimension=1), 0.01, np.random.default_rng(0)) == ()


def test_draws_that_do_not_vary_are_no_pair_of_anything():
    draws = gaussian(100, 3)
    still = draws.draws.copy()
    still[..., 0] = 0.0
    assert np.isfinite(result(replace(draws, draws=still)).statistic)


def test_failed_observations_count_against_it():
    assert result(fail(gaussian(100, 4), slice(0, 30))).p_value < 1e-3
    assert result(fail(gaussian(100, 4), slice(0, 100))).p_value < 1e-3
