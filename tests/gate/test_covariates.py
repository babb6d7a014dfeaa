"""Covariates do not know which member of a pool is the truth."""

from dataclasses import replace

import numpy as np
import pytest

from closed_form import by_region, fail
from sbipipe.gate.covariates import columns, covariates
from sbipipe.gate.redraws import Redraws


def found(draws):
    return columns(draws, Redraws.of(draws, np.random.default_rng(0)))


def test_covariates_stay_when_the_truth_changes_places_with_a_draw():
    draws = by_region(60, 1)
    swapped = draws.draws.copy()
    swapped[7] = draws.theta
    other = replace(draws, draws=swapped, theta=draws.draws[7])
    redraws = Redraws.of(draws, np.random.default_rng(0))
    for one, two in zip(covariates(draws, redraws), covariates(other, redraws), strict=True):
        assert one.name == two.name
        np.testing.assert_allclose(one.values, two.values, rtol=1e-12)


def test_columns_have_mean_square_one_and_those_of_a_covariate_differ():
    given = found(by_region(200, 2))
    assert len(given) == 1 + 2 * (2 + 2 + 2)
    for column in given:
        assert np.mean(column.values**2) == pytest.approx(1)
    for first, second in zip(given[1::2], given[2::2], strict=True):
        assert first.of is second.of
        assert np.mean(first.values * second.values) == pytest.approx(0, abs=0.01)


def test_what_does_not_vary_is_left_out():
    draws = by_region(100, 3)
    discrete = np.arange(100) % 3
    other = replace(draws, given={"constant": np.ones(100), "missing": np.full(100, np.nan),
                                  "discrete": discrete})  # fmt: skip
    names = {column.of.name for column in found(other)[1:]}
    assert "discrete" in names
    assert not names & {"constant", "missing"}


@pytest.mark.parametrize("values", [np.arange(40.0), np.arange(40) % 2, np.arange(40) // 39])
def test_regions_share_the_simulations_between_them(values):
    draws = replace(by_region(40, 4), given={"x": values.astype(float)})
    for column in found(draws):
        for region in column.regions():
            assert region.inside.any()
            assert not np.any(region.inside & region.outside)
            assert np.all(region.inside | region.outside)


def test_failed_observations_lie_where_the_data_say_and_nowhere_else():
    draws = fail(by_region(100, 5), slice(0, 30))
    for column in found(draws)[1:]:
        known = np.isfinite(column.of.values)
        assert known.all() == (column.of.name in draws.given)
        assert known[30:].all()
        assert not column.values[~known].any()
