"""Whoever is taken for the truth, the pool is the same; and chance is what redraws make of it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import fail, gaussian
from sbipipe.gate.redraws import DRAWS, REPLICATES, TAIL, Redraws, largest
from sbipipe.legendre import legendre


def pools(draws, seed=0):
    found = Redraws.of(draws, np.random.default_rng(seed))
    return found, found.pool(draws.draws[..., 0], draws.theta[:, 0])


def test_the_first_redraw_is_the_truth_and_ranks_are_its_own():
    draws = gaussian(50, 1, n=60)
    redraws, pool = pools(draws)
    np.testing.assert_array_equal(redraws.at_truth(pool), draws.theta[:, 0])
    below = (draws.draws[..., 0] < draws.theta[:, 0]).sum(0)
    np.testing.assert_allclose(redraws.at_truth(redraws.ranks(pool)), (below + 0.5) / 61)


def test_members_of_a_pool_are_the_truth_and_as_many_draws_as_count():
    size = np.arange(20, 70).astype(float)
    draws = replace(gaussian(50, 1, n=60), effective_sample_size=size)
    redraws, pool = pools(draws)
    for b, count in enumerate(np.minimum(size, 60).astype(int)):
        members = np.r_[draws.theta[b, 0], draws.draws[:count, b, 0]]
        np.testing.assert_array_equal(np.sort(pool[:, b])[: count + 1], np.sort(members))
        assert np.isnan(pool[count + 1 :, b]).all()
    assert np.isfinite(redraws.take(pool)).all()
    ranks = redraws.take(redraws.ranks(pool))
    assert ranks.min() > 0
    assert ranks.max() < 1


def test_every_member_is_taken_equally_often():
    redraws, pool = pools(gaussian(200, 2, n=30))
    u = redraws.take(redraws.ranks(pool))[1:]
    counts = np.bincount(np.floor(u * 31).astype(int).ravel(), minlength=31)
    assert stats.chisquare(counts).pvalue > 0.003


def test_no_more_draws_are_ranked_than_sharpen_a_test():
    redraws, pool = pools(gaussian(5, 1, n=400))
    assert len(pool) == DRAWS + 1
    assert redraws.size.tolist() == [DRAWS + 1] * 5


def test_ties_are_broken_at_random_for_every_simulation():
    draws = gaussian(2000, 3, n=20)
    tied = replace(draws, draws=0 * draws.draws, theta=0 * draws.theta)
    redraws, pool = pools(tied)
    counts = np.bincount(np.floor(redraws.at_truth(redraws.ranks(pool)) * 21).astype(int))
    assert stats.chisquare(counts).pvalue > 0.003


def test_failed_observations_have_no_members_but_uniform_redraws():
    redraws, pool = pools(fail(gaussian(40, 4), slice(0, 10)))
    assert np.isnan(pool[:, :10]).all()
    ranks = redraws.take(redraws.ranks(pool))[1:, :10]
    assert ranks.std() == pytest.approx(np.sqrt(1 / 12), rel=0.05)


def test_scores_have_mean_zero_and_variance_one():
    u = (np.arange(10_000) + 0.5) / 10_000
    table = np.stack([np.ones(len(u)), *legendre(u)])
    np.testing.assert_allclose(table @ table.T / len(u), np.eye(3), atol=1e-6)


def test_p_values_are_those_of_chance_far_into_the_tail():
    """The largest of 40 normals, 3,000 times: the share of p below a level is that level."""
    rng = np.random.default_rng(5)
    p = np.array([largest(rng.standard_normal((REPLICATES + 1, 40)))[1] for _ in range(3000)])
    for level in (0.5, 0.05, 0.01, 0.003, 0.001):
        # An extrapolated p-value carries the error 1/sqrt(k) of the edge it starts from.
        expected = 3000 * level
        error = 3 * np.sqrt(expected + (expected / np.sqrt(TAIL)) ** 2 / 3000)
        assert abs(np.sum(p <= level) - expected) < error + 1


def test_the_tail_falls_as_that_of_a_normal_does():
    z = np.random.default_rng(6).standard_normal((REPLICATES + 1, 10))
    found = []
    for peak in (6.0, 10.0):
        z[0, 0] = peak
        found.append(largest(z)[1])
    expected = stats.norm.logsf(10) - stats.norm.logsf(6)
    assert np.log(found[1] / found[0]) == pytest.approx(expected)
