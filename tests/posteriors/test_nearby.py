"""A posterior is right where the observation lies, or is seen to be wrong there and only there."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import by_region, gaussian
from sbipipe.posteriors.nearby import SWAPS, Axes, nearby

N, DRAWS = 500, 100


def looked(draws, x, place, seed=0, *, scale=1.0):
    """At the posterior N(x / 2, scale^2 / 2) of an observation."""
    observed = np.array([place])
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((400, 1, len(place)))
    posterior = observed / 2 + scale * np.sqrt(0.5) * noise
    (found,) = nearby(draws, x, observed, posterior, rng)
    return found


def data_of(draws):
    """x of `closed_form.gaussian`, whose posterior means are x / 2, but for the draws' error."""
    return 2 * draws.draws.mean(0)


def wrong_on_one_side(seed):
    draws = by_region(N, seed, narrow=0.5, wide=1.0, n=DRAWS)
    return draws, np.stack(list(draws.given.values()), 1)


def test_an_exact_posterior_is_rejected_at_the_stated_rate_and_no_more():
    """40 repeats; each p-value of L-C2ST is exact."""
    found = []
    for seed in range(40):
        draws = gaussian(200, seed, n=60)
        found.append(looked(draws, data_of(draws), [0.5, -0.5], seed))
    assert sum(one.p_value <= 0.1 for one in found) <= stats.binom.ppf(0.999, 40, 0.1)
    assert sum(one.p_held <= 0.1 for one in found) <= stats.binom.ppf(0.999, 40, 0.1)
    assert all(one.p_value >= 1 / (SWAPS + 1) for one in found)


def test_what_is_wrong_on_one_side_is_seen_on_that_side():
    draws, x = wrong_on_one_side(3)
    there = looked(draws, x, [1.5, 0.0], scale=0.5)
    elsewhere = looked(draws, x, [-1.5, 0.0])
    assert there.p_value <= 0.02
    assert there.p_held < 1e-3
    assert there.held < 0.5
    assert elsewhere.p_held > 0.01
    assert abs(elsewhere.held - 0.68) < 4 * np.sqrt(0.68 * 0.32 / elsewhere.count)
    assert there.statistic > elsewhere.statistic


def test_too_few_simulations_say_nothing():
    draws = gaussian(30, 0)
    assert nearby(draws, data_of(draws), np.zeros((1, 2)), np.zeros((5, 1, 2)), None) == ()


def test_simulations_that_failed_are_left_out():
    draws = gaussian(200, 0)
    size = np.where(np.arange(200) < 50, 0.0, draws.effective_sample_size)
    found = looked(replace(draws, effective_sample_size=size), data_of(draws), [0.0, 0.0])
    assert found.simulations == 150


@pytest.mark.parametrize("length", [1, 2, 6])
def test_axes_are_uncorrelated_and_of_unit_spread(length):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, length)) @ rng.standard_normal((length, length)) * 1e3 + 5
    found = Axes.of(x)(x)
    np.testing.assert_allclose(np.cov(found.T, ddof=0), np.eye(min(length, 3)), atol=1e-9)


def test_components_that_never_vary_are_no_axes():
    x = np.random.default_rng(0).standard_normal((50, 2)) * [1.0, 0.0]
    assert Axes.of(x)(x).shape == (50, 1)
