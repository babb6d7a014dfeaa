"""What trivial features know is what closed forms say."""

from __future__ import annotations

import numpy as np
import pytest

from rows import rows_of
from sbipipe.interfaces import Array
from sbipipe.sets.trivial import Trivial, known

N = 1500


def found(theta: Array, x: Array, group: Array | None = None) -> Trivial:
    return known(rows_of(theta, x, group), ("a", "b"), np.random.default_rng(1))


def test_nothing_is_known_of_independent_rows() -> None:
    rng = np.random.default_rng(0)
    one = found(rng.random((N, 2)), rng.standard_normal((N, 1, 4, 4)))
    assert (one.number < 0.05).all()
    assert (one.moments < 0.05).all()


def test_an_ordered_file_is_known_by_its_numbers() -> None:
    rng = np.random.default_rng(0)
    theta = np.column_stack([np.sort(rng.random(N)), rng.random(N)])
    one = found(theta, rng.standard_normal((N, 3)))
    assert one.number[0] > 0.99
    assert one.number[1] < 0.05


def test_a_mean_is_known_as_well_as_its_noise_allows() -> None:
    """Ranks r in [0, 1] plus noise of deviation 0.2: at best 1 - E[var(r | mean)] / (1 / 12)."""
    rng = np.random.default_rng(0)
    theta = rng.random((N, 2))
    mean = theta[:, :1] + 0.2 * rng.standard_normal((N, 1))
    one = found(theta, mean + np.array([-1.0, 1.0]))
    q, t = np.linspace(0.0005, 0.9995, 1000), np.linspace(-0.8, 1.8, 500)
    weight = np.exp(-0.5 * ((t[:, None] - q) / 0.2) ** 2)
    best = (weight @ q) / weight.sum(1)
    left = (weight * (q - best[:, None]) ** 2).sum() / weight.sum()
    assert one.moments[0] == pytest.approx(1 - 12 * left, abs=0.06)
    assert one.moments[1] < 0.05


def test_one_row_of_each_simulation_is_looked_at() -> None:
    """Rows that share parameters must not stand in for each other."""
    rng = np.random.default_rng(0)
    group = np.arange(300).repeat(10)
    theta = rng.random((300, 2))[group]
    one = found(theta, rng.standard_normal((3000, 2)), group)
    assert (one.number < 0.1).all()


def test_rows_that_are_not_finite_are_left_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2))
    x[::4] = np.nan
    assert np.isfinite(found(rng.random((200, 2)), x).moments).all()
