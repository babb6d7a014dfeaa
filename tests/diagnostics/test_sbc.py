"""Ranks of exact posteriors are uniform; wrong ones show by what they are wrong."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import binomial, fail, gaussian, record
from sbipipe.diagnostics.sbc import Sbc


def results(draws, seed=0):
    return {result.test: result for result in Sbc()(draws, np.random.default_rng([seed, 1]))}


@pytest.mark.parametrize("exact", [gaussian, binomial])
def test_p_values_of_exact_posteriors_are_uniform(exact):
    """The statistic looks at 100 points, so its p-values are slightly above uniform."""
    p = [[r.p_value for r in results(exact(100, s, n=50), s).values()] for s in range(100)]
    for column in np.array(p).T:
        assert stats.kstest(column, "uniform", alternative="greater").pvalue > 0.003


def test_bias_and_dispersion_are_those_of_the_closed_form():
    """u = Phi(s z) for a Gaussian narrowed to 1/s; its variance is asin(s^2 / (1 + s^2)) / 2 pi,
    and its mean, shifted by d, is Phi(-d / sqrt(2))."""
    narrow = results(gaussian(20_000, 1, scale=0.7, n=100))["omega_m"].numbers
    ratio = 12 * np.arcsin((1 / 0.49) / (1 + 1 / 0.49)) / (2 * np.pi)
    assert narrow["dispersion"] == pytest.approx(ratio, abs=0.04)
    shifted = results(gaussian(20_000, 2, shift=0.5, n=100))["sigma_8"].numbers
    expected = (stats.norm.cdf(-0.5 / np.sqrt(2)) - 0.5) * np.sqrt(12)
    assert shifted["bias"] == pytest.approx(expected, abs=0.03)
    assert shifted["mean_z"] == pytest.approx(-0.5, abs=0.05)


def test_mean_abs_z_of_a_calibrated_gaussian_is_080():
    numbers = results(gaussian(20_000, 3))["omega_m"].numbers
    assert numbers["mean_abs_z"] == pytest.approx(np.sqrt(2 / np.pi), abs=0.02)


def test_the_density_sees_a_joint_width_that_no_marginal_shows():
    """Draws with the right marginals but a correlation that the posterior has not."""
    draws = gaussian(1000, 4, correlation=-0.95)
    twisted = draws.draws.copy()
    twisted[..., 1] = np.random.default_rng(5).permuted(twisted[..., 1], axis=0)
    mean, width = twisted.mean(0), twisted.std(0)

    def log_prob(t):
        return -0.5 * (((t - mean) / width) ** 2).sum(-1)

    wrong = replace(
        draws, draws=twisted, log_prob=log_prob(twisted), log_prob_truth=log_prob(draws.theta)
    )
    found = results(wrong)
    assert found["log_prob"].p_value < 1e-6
    assert found["omega_m"].p_value > 0.001
    assert found["sigma_8"].p_value > 0.001


def test_failed_observations_count_as_truths_outside_all_draws():
    found = results(fail(gaussian(200, 6), slice(0, 60)))
    assert all(result.numbers["failed"] == 60 for result in found.values())
    assert all(result.p_value < 1e-6 for result in found.values())
    assert found["omega_m"].numbers["dispersion"] > 1.4
    assert np.isfinite(found["omega_m"].numbers["mean_abs_z"])


def test_a_parameter_more_changes_no_p_value_of_another():
    two, three = gaussian(100, 7, dimension=2), gaussian(100, 7, dimension=3)
    fewer = replace(three, parameters=two.parameters, draws=three.draws[..., :2])
    before, after = results(fewer), results(three)
    own = set(before) - {"spread", "pairs"}
    assert all(before[test].p_value == after[test].p_value for test in own)


def test_the_spread_sees_one_width_before_the_bands_do():
    """One of three parameters 20 % too wide, at 600 simulations."""
    rng = np.random.default_rng(8)
    theta, draws = rng.standard_normal((600, 3)), rng.standard_normal((200, 600, 3))
    width = np.array([1.0, 1.2, 1.0])

    def log_prob(theta):
        return -0.5 * ((theta / width) ** 2).sum(-1)

    found = results(record(width * draws, theta, log_prob, np.ones(3), np.zeros(600)))
    assert found["spread"].p_value < 1e-4
    assert found["spread"].p_value < found["sigma_8"].p_value / 10
    assert found["spread"].why.startswith("the ranks of sigma_8 have 0.8")
    assert found["spread"].ranks == found["sigma_8"].ranks


def test_a_curve_of_the_spread_leaves_its_band_where_the_p_value_does():
    for seed in range(40):
        found = results(gaussian(100, seed, scale=0.85, n=50))["spread"]
        curve = found.curve
        inside = np.all(np.less(curve.lower, curve.y) & np.less(curve.y, curve.upper))
        assert inside == (found.p_value > Sbc().level)
