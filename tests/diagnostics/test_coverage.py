"""Coverage against the chi-squared distribution, and the sign that others got wrong."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import binomial, fail, gaussian
from sbipipe.diagnostics.coverage import LEVELS, Coverage


def result(draws, seed=0):
    (found,) = Coverage()(draws, np.random.default_rng([seed, 1]))
    return found


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.5])
def test_coverage_of_a_gaussian_of_wrong_width(dimension, scale):
    """The truth lies inside if r^2 < s^2 q(a): coverage is chi2.cdf(s^2 chi2.ppf(a))."""
    numbers = result(gaussian(6000, 1, scale=scale, dimension=dimension)).numbers
    chi2 = stats.chi2(dimension)
    for level in LEVELS:
        expected = chi2.cdf(scale**2 * chi2.ppf(level))
        assert numbers[f"coverage_{level:g}"] == pytest.approx(expected, abs=0.025)


def test_a_narrowed_posterior_reads_low():
    """With the opposite sign, x0.6 would read 0.80 at level 0.68; it is 0.45."""
    numbers = result(gaussian(6000, 2, scale=0.6, dimension=1)).numbers
    assert numbers["coverage_0.68"] == pytest.approx(0.45, abs=0.02)
    assert numbers["signed_area"] < -0.1


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.3])
def test_the_signed_area_is_that_of_the_closed_form(scale):
    found = result(gaussian(6000, 3, scale=scale)).numbers["signed_area"]
    assert found == pytest.approx(scale**2 / (1 + scale**2) - 0.5, abs=0.015)


@pytest.mark.parametrize("exact", [gaussian, binomial])
def test_p_values_of_exact_posteriors_are_uniform(exact):
    p = [result(exact(100, seed, n=50), seed).p_value for seed in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 0.003


def test_failed_observations_and_truths_of_zero_density_lie_outside_every_region():
    draws = gaussian(200, 4)
    truth = draws.log_prob_truth.copy()
    truth[:20] = -np.inf
    for lost in (fail(draws, slice(0, 20)), replace(draws, log_prob_truth=truth)):
        found = result(lost)
        inside = np.array(found.curve.y[:-1])
        assert inside.max() <= 180 / 200
        assert found.curve.y[-1] == 1
    assert result(fail(draws, slice(0, 20))).numbers["failed"] == 20
