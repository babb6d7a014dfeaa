"""The p-values are exact, and the bands agree with them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import fail, gaussian
from sbipipe.gate import uniformity


@pytest.mark.parametrize("n", [1, 20, 100, 500])
def test_gamma_of_uniform_values_falls_below_its_critical_value_at_the_stated_rate(n):
    u = np.random.default_rng(n).random((20_000, n))
    counts = np.stack([(u <= z).sum(1) for z in uniformity.GRID[1:-1]], 1)
    rate = (uniformity.lowest_tail(counts, n) <= uniformity.critical_gamma(n, 0.05)).mean()
    assert rate <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 20_000)
    assert n < 20 or rate > 0.04


def test_the_p_value_of_one_point_follows_by_hand():
    """A value of 0.015 is seen first at z = 0.02, with a chance of 2 % on either side; as extreme
    are the values below 0.02 and above 0.98."""
    gamma, p_value = uniformity.simultaneous(np.array([0.015]))
    assert gamma == pytest.approx(2 * 0.02)
    assert p_value == pytest.approx(2 * 0.02)


def test_small_p_values_keep_their_relative_accuracy():
    """All 50 values below 0.3: no smaller than that has any other way, so p is bounded by the
    binomial tail from below and by a union over the grid from above."""
    gamma, p_value = uniformity.simultaneous(np.linspace(0.01, 0.29, 50))
    assert gamma == pytest.approx(2 * 0.29**50, rel=1e-9)
    assert 0.29**50 <= p_value <= uniformity.STEPS * gamma


@pytest.mark.parametrize("scale", [0.85, 0.9, 0.95, 1.0])
def test_the_band_excludes_a_curve_exactly_where_the_p_value_is_small(scale):
    rng = np.random.default_rng(7)
    lower, upper = uniformity.simultaneous_band(150, 0.05)
    for _ in range(30):
        u = scale * rng.random(150)
        curve = uniformity.ecdf(u)
        outside = bool(((curve < lower - 1e-9) | (curve > upper + 1e-9)).any())
        assert outside == (uniformity.simultaneous(u)[1] <= 0.05)


def test_kolmogorov_smirnov_is_that_of_scipy():
    u = np.random.default_rng(1).beta(1.2, 1, 80)
    expected = stats.kstest(u, "uniform")
    assert uniformity.kolmogorov_smirnov(u) == pytest.approx((expected.statistic, expected.pvalue))


def test_randomised_ranks_are_uniform_with_ties_and_with_few_draws():
    rng = np.random.default_rng(2)
    values, truth = rng.integers(0, 3, (5, 20_000)), rng.integers(0, 3, 20_000)
    size = rng.integers(1, 6, 20_000)
    u = uniformity.pit(values, truth, size, rng)
    assert stats.kstest(u, "uniform").pvalue > 0.01


def test_only_as_many_draws_count_as_they_are_worth():
    """Each draw repeated ten times, shuffled: with all of them the ranks look overdispersed."""
    exact = gaussian(2000, 3, n=20)
    rng = np.random.default_rng(3)
    order = rng.permutation(200)
    values = np.repeat(exact.draws[..., 0], 10, axis=0)[order]
    truth = exact.theta[:, 0]
    all_of_them = uniformity.pit(values, truth, np.full(2000, 200), rng)
    first = uniformity.pit(values, truth, np.full(2000, 15), rng)
    assert uniformity.kolmogorov_smirnov(all_of_them)[1] < 1e-3
    assert uniformity.kolmogorov_smirnov(first)[1] > 0.01


def test_an_observation_with_hardly_any_effective_draws_has_failed():
    draws = gaussian(50, 4)
    size = draws.effective_sample_size.copy()
    size[:4] = [0, np.nan, 5, 19]
    few = replace(draws, effective_sample_size=size)
    assert np.flatnonzero(uniformity.failed(few)).tolist() == [0, 1]
    for fewest, count in ((1, 2), (6, 3), (20, 4), (1000, 4)):
        assert uniformity.failed(uniformity.fail_few(few, fewest)).sum() == count
    assert uniformity.failed(fail(draws, slice(4, 9))).sum() == 5
