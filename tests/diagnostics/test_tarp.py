"""TARP with the right sample size finds what the two-sample comparison with a grid does not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import binomial, fail, gaussian
from sbipipe.diagnostics.tarp import Tarp


def result(draws, seed=0):
    (found,) = Tarp()(draws, np.random.default_rng([seed, 1]))
    return found


@pytest.mark.parametrize("exact", [gaussian, binomial])
def test_p_values_of_exact_posteriors_are_uniform(exact):
    p = [result(exact(100, seed, n=50), seed).p_value for seed in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 0.003


def test_the_one_sample_test_finds_what_the_grid_hides():
    """x0.7 at N = 1000, twenty times; the two-sample test against the bins finds none."""
    ours, grids = 0, 0
    for seed in range(20):
        found = result(gaussian(1000, seed, scale=0.7), seed)
        ours += found.p_value < 0.05
        bins = slice(0, None, 2)
        grids += stats.ks_2samp(found.curve.y[bins], found.curve.x[bins]).pvalue < 0.05
    assert ours == 20
    assert grids == 0


@pytest.mark.parametrize(("scale", "sign"), [(0.6, -1), (1.6, 1)])
def test_the_area_to_the_curve_tells_narrow_from_wide(scale, sign):
    assert np.sign(result(gaussian(2000, 1, scale=scale)).numbers["atc"]) == sign


def test_units_do_not_matter():
    draws = gaussian(200, 2)
    unit = np.array([1.0, 1e6])
    other = replace(draws, draws=draws.draws * unit, theta=draws.theta * unit)
    assert result(other).p_value == pytest.approx(result(draws).p_value, rel=1e-6)


def test_failed_observations_are_counted_at_both_ends():
    found = result(fail(gaussian(200, 3), slice(0, 60)))
    assert found.numbers["failed"] == 60
    assert found.p_value < 1e-3
    assert result(fail(gaussian(20, 3), slice(0, 20))).numbers["failed"] == 20
