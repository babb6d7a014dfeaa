"""The laws of a reduced bispectrum."""

from __future__ import annotations

import numpy as np

from gaussian_maps import grid, smooth
from sbipipe.statistics import Resolution
from sbipipe.statistics.bispectrum import Bispectrum


def test_it_is_odd_scale_free_and_zero_for_gaussian_fields() -> None:
    maps, _ = smooth(400)
    statistic = Bispectrum.of(maps, grid(), Resolution(bands=12, thresholds=8))
    gaussian = statistic.measure(maps, grid())
    skewed = statistic.measure(maps + 0.5 * maps**2, grid())
    np.testing.assert_allclose(
        statistic.measure(-3 * maps[:4], grid()), -gaussian[:4], rtol=2e-5, atol=1e-6
    )
    error = gaussian.std(0) / np.sqrt(len(maps))
    assert np.all(np.abs(gaussian.mean(0)) < 4 * error)
    bands = len(statistic.triangles[0]) - 1
    low_k = [0, 1, bands, bands + 1]
    assert np.all(skewed.mean(0)[low_k] > 4 * skewed.std(0)[low_k] / 20)


def test_it_has_half_as_many_bands_as_the_power_spectrum() -> None:
    maps, _ = smooth(3)
    for bands, expected in ((None, 8), (12, 6)):
        statistic = Bispectrum.of(maps, grid(), Resolution(bands=bands, thresholds=2))
        assert [len(axis.x) for axis in statistic.axes(grid())] == [expected] * 2
