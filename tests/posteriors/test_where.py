"""Where an observation lies among others: polynomials of its place, whatever the scale."""

from __future__ import annotations

import numpy as np
import pytest

from rows import rows_of
from sbipipe.interfaces import Array
from sbipipe.posteriors.where import Where, names

ROWS, DIMS, POINTS = 400, 2, 50
RNG = np.random.default_rng(8)
DRAWS = RNG.normal(size=(1, ROWS, DIMS)) + np.exp(RNG.normal(size=(1, ROWS, DIMS))) * RNG.normal(
    size=(POINTS, ROWS, DIMS)
)


def data(components: int) -> Array:
    return np.asarray(RNG.standard_cauchy((ROWS, components)))


@pytest.fixture(params=[3, 20], ids=["short", "long"])
def x(request: pytest.FixtureRequest) -> Array:
    return data(request.param)


def test_columns_are_of_mean_zero_and_mean_square_one_over_their_own_rows(x: Array) -> None:
    """Places are (i + 1/2) / N, so what is left is of the order of 1 / N^2."""
    columns = Where.of(x, DRAWS)(x, DRAWS)
    np.testing.assert_allclose(columns.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose((columns**2).mean(0), 1, atol=1e-3)


def test_each_column_has_a_name_and_is_of_draws_or_of_the_observation(x: Array) -> None:
    where = Where.of(x, DRAWS)
    found = names(rows_of(theta=np.zeros((ROWS, DIMS)), x=x), ("a", "b"))
    columns = where(x, DRAWS)
    assert columns.shape == (ROWS, len(found))
    of_draws = where.is_of_draws(np.arange(len(found)))
    assert [("posterior" in name) for name in found] == of_draws.tolist()
    others = where(x, DRAWS + RNG.normal(size=DRAWS.shape))
    moved = (others != columns).any(0)
    np.testing.assert_array_equal(moved, of_draws)


def test_rows_do_not_touch_each_other_and_restored_ones_are_the_same(x: Array) -> None:
    where = Where.of(x, DRAWS)
    again = Where.restored(where.arrays, DIMS)
    others, draws = 1.01 * x, 1.01 * DRAWS
    one = again(others[7:8], draws[:, 7:8])
    np.testing.assert_allclose(one[0], where(others, draws)[7], atol=1e-12)


def test_beyond_all_rows_is_the_place_of_the_last(x: Array) -> None:
    where = Where.of(x, DRAWS)
    far, farther = (where(x[:1], DRAWS[:, :1] + size) for size in (1e6, 1e9))
    np.testing.assert_array_equal(far[:, :DIMS], farther[:, :DIMS])
    np.testing.assert_allclose(far[:, :DIMS], np.sqrt(12) * (0.5 - 0.5 / ROWS))


def test_what_is_not_known_counts_for_nothing(x: Array) -> None:
    spoiled, lost = x[:2].copy(), DRAWS[:, :2].copy()
    spoiled[0], lost[:, 1] = np.nan, np.nan
    where = Where.of(x, DRAWS)
    of_draws = where.is_of_draws(np.arange(2 * where.ordered.shape[1]))
    columns = where(spoiled, lost)
    assert np.isfinite(columns).all()
    assert not columns[0, ~of_draws].any()
    assert not columns[1, of_draws].any()
    assert columns[1, ~of_draws].any()


def test_fields_are_known_by_their_moments() -> None:
    fields = RNG.normal(size=(ROWS, 2, 4, 4)) * RNG.uniform(1, 2, (ROWS, 1, 1, 1))
    where = Where.of(fields, DRAWS)
    assert where(fields, DRAWS).shape == (ROWS, 2 * (2 * DIMS + 4))
