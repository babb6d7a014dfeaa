"""Whole simulations change sides, and p is what a permutation test gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from sbipipe.emulation.exchanges import EXCHANGES, divisions, p_of_largest, p_values


def test_half_of_the_simulations_are_on_either_side() -> None:
    signs = divisions(7, np.random.default_rng(0))
    assert signs.shape == (1 + EXCHANGES, 14)
    assert (signs.sum(1) == 0).all()
    np.testing.assert_array_equal(signs[0], np.repeat([1, -1], 7))
    assert len(np.unique(signs, axis=0)) > EXCHANGES / 2


def test_p_is_the_share_of_divisions_at_least_as_far() -> None:
    found = np.array([[3.0, 5.0], [1.0, 6.0], [3.0, 7.0], [4.0, 5.5]])
    np.testing.assert_allclose(p_values(found), [3 / 4, 1.0])


def test_p_agrees_with_all_divisions() -> None:
    """Of the difference of means of two samples of five, over all 252 divisions."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal(10) + np.repeat([1.0, 0.0], 5)
    signs = divisions(5, rng, 20_000)
    p = float(p_values(np.abs(signs @ values)))
    sums = [values[list(one)].sum() for one in itertools.combinations(range(10), 5)]
    exact = np.mean([abs(2 * s - values.sum()) >= abs(signs[0] @ values) - 1e-9 for s in sums])
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_the_largest_of_several_is_rejected_at_its_rate() -> None:
    """p of the largest of ten, of two samples of one distribution, is uniform."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(200):
        values = rng.standard_normal((20, 10)) * np.geomspace(1, 100, 10)
        found.append(p_of_largest(np.abs(divisions(10, rng, 99) @ values)))
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_a_component_that_never_varies_says_nothing() -> None:
    rng = np.random.default_rng(3)
    found = np.abs(divisions(10, rng) @ rng.standard_normal((20, 3)))
    with_nothing = np.column_stack([found, np.zeros(len(found))])
    assert p_of_largest(with_nothing) == p_of_largest(found)
