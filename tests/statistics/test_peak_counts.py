"""Peaks against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gaussian_maps import SIDE, grid, white
from sbipipe.statistics import Resolution, _lenstools
from sbipipe.statistics._lenstools import HIGHEST
from sbipipe.statistics.peak_counts import PeakCounts


@pytest.mark.parametrize("periodic", [True, False])
def test_peaks_are_the_brute_force_local_maxima(periodic: bool) -> None:
    """What lies beyond the sides of a map is known where these meet; else no pixel overtops it."""
    maps = white(1)
    edges = np.array([-HIGHEST, 0.0, 0.5, 1.0, 1.7, HIGHEST])
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    field = maps[0, 0]
    beyond = np.pad(field, 1, "wrap") if periodic else np.pad(field, 1, constant_values=np.inf)
    peaks = field > ndimage.maximum_filter(beyond, footprint=ring)[1:-1, 1:-1]
    expected, _ = np.histogram(field[peaks], edges)
    found = PeakCounts(peaks=(edges,)).measure(maps, grid(periodic=periodic))
    np.testing.assert_allclose(found, expected[None], rtol=1e-12)
    heights = _lenstools.peak_heights(field, periodic=periodic)
    np.testing.assert_allclose(np.sort(heights), np.sort(field[peaks]))


def test_the_bins_share_the_peaks_of_the_reference_evenly() -> None:
    maps = white(100)
    statistic = PeakCounts.of(maps, grid(), Resolution(bands=None, thresholds=5))
    total = statistic.measure(maps, grid()).sum(0)
    assert total.sum() == sum(
        len(_lenstools.peak_heights(one, periodic=True)) for one in maps[:, 0]
    )
    np.testing.assert_allclose(total, total.mean(), rtol=1e-3)


def test_a_plateau_has_no_peak() -> None:
    field = np.zeros((1, 1, SIDE, SIDE))
    field[..., 4:6, 4:6] = 0.1
    statistic = PeakCounts.of(white(2), grid(), Resolution(bands=None, thresholds=2))
    assert statistic.measure(field, grid()).tolist() == [[0, 0]]
