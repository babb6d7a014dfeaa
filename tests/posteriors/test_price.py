"""Nats that a recalibration gains, with an error that knows which rows belong together."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rows import rows_of
from sbipipe.posteriors.price import price, some, standard_error


def test_the_error_of_independent_rows_is_the_usual_one() -> None:
    values = np.random.default_rng(0).normal(size=400)
    found = standard_error(values, np.arange(400))
    assert found == pytest.approx(values.std() / np.sqrt(400))


def test_rows_of_one_simulation_count_once() -> None:
    values = np.random.default_rng(0).normal(size=100)
    alone = standard_error(values, np.arange(100))
    together = standard_error(np.repeat(values, 7), np.repeat(np.arange(100), 7))
    assert together == pytest.approx(alone)


def test_the_figures_are_means_and_shares_and_fit_into_a_file() -> None:
    without = np.array([-1.0, -np.inf, -3.0, -2.0])
    levels = (np.array([0.1, 0.9, 0.6, 0.95]), np.array([0.1, 0.5, 0.6, 0.95]))
    found = price(np.array([0.5, 0.5, 0.5, 0.5]), without, levels, np.array([0, 0, 1, 2]))
    assert found["nats_gained"] == 0.5
    assert found["nats_gained_error"] == 0
    assert found["mean_log_density_at_truth_without_it"] is None
    assert found["share_in_68_%_regions_without_it"] == 0.5
    assert found["share_in_68_%_regions_with_it"] == 0.75
    assert found["simulations"] == 3
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(("count", "kept"), [(0, []), (3, [0, 1, 2]), (9, [0, 2, 5, 8])])
def test_some_rows_are_spread_over_all(count: int, kept: list[int]) -> None:
    rows = rows_of(np.zeros((count, 1)), np.zeros((count, 1)))
    assert some(rows, 4).group.tolist() == kept
