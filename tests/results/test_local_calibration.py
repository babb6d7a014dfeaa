"""Cells of an exact posterior hold 68 %; those of one that is wrong by region show where."""

import numpy as np
import pytest

from closed_form import by_region, fail, gaussian
from sbipipe.figures import regions
from sbipipe.results.regions import SHOWN, local_calibration


def test_cells_of_an_exact_posterior_stray_as_chance_does():
    (found,) = local_calibration("npe", gaussian(2000, 1, n=300))
    assert found.parameters == ("omega_m", "sigma_8")
    assert found.count.sum() == 2000
    assert found.count.shape == found.held.shape == (5, 5)
    assert found.lean.shape == (5, 5, 2)
    assert found.strays == pytest.approx(1, abs=3 * np.sqrt(2 / 75))


def test_a_posterior_that_is_wrong_by_region_shows_where():
    """Too narrow where the first parameter is large, whatever the second."""
    (found,) = local_calibration("npe", by_region(2000, 2, narrow=0.6, wide=1.7, n=300))
    assert (found.z[-1] < -2).all()
    assert (found.z[0] > 2).all()
    assert found.strays > 5


def test_a_shift_leans_to_the_other_side():
    (found,) = local_calibration("npe", gaussian(2000, 3, shift=0.5, n=300))
    assert (np.nanmean(found.lean_z, (0, 1)) < -2).all()


def test_one_parameter_has_cells_in_a_row():
    (found,) = local_calibration("npe", gaussian(300, 4, dimension=1))
    assert found.count.shape == (3, 1)
    assert found.lean.shape == (3, 1, 1)
    assert len(found.edges) == 1
    assert b"<svg" in regions.draw(found).image


def test_of_many_pairs_those_that_stray_most_are_shown():
    draws = by_region(600, 5, dimension=5, narrow=0.5, wide=1.8, wrong=(3,))
    found = local_calibration("npe", draws)
    assert len(found) == SHOWN
    strays = [one.strays for one in found]
    assert strays == sorted(strays, reverse=True)


@pytest.mark.parametrize("lost", [slice(0, 10), slice(0, 39), slice(0, 40)])
def test_observations_that_failed_lie_in_no_cell(lost):
    found = local_calibration("npe", fail(gaussian(40, 6), lost))
    assert sum(one.count.sum() for one in found) == 40 - lost.stop
    assert all(b"<svg" in regions.draw(one).image for one in found)
