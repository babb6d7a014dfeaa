"""The density of pixels against its closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gaussian_maps import grid, white
from sbipipe.interfaces import Fields, Geometry
from sbipipe.records import InputError
from sbipipe.statistics import Resolution
from sbipipe.statistics.pixel_density import BINS, OUTSIDE, PixelDensity

RESOLUTION = Resolution(bands=None, thresholds=2)


def test_the_density_of_normal_pixels_is_normal() -> None:
    maps = white(400)
    statistic = PixelDensity.of(maps, grid(), RESOLUTION)
    (edges,) = statistic.pixels
    values = statistic.measure(maps, grid())
    expected = np.diff(stats.norm.cdf(edges)) / np.diff(edges)
    error = values.std(0) / np.sqrt(len(maps))
    assert np.all(np.abs(values.mean(0) - expected) < 4.5 * error)


def test_all_but_one_in_a_thousand_of_the_reference_are_counted() -> None:
    maps = white(50)
    statistic = PixelDensity.of(maps, grid(), RESOLUTION)
    share = (statistic.measure(maps, grid()) * np.diff(statistic.pixels[0])).sum(1).mean()
    assert share == pytest.approx(1 - 2 * OUTSIDE, abs=1e-4)


def test_fields_of_any_shape_have_it() -> None:
    data = Fields(geometry=Geometry(pixels=(6, 4, 5), periodic=False), channels=("a", "b"))
    x = np.random.default_rng(0).standard_normal((7, *data.shape))
    assert PixelDensity.obstacle(data) == ""
    statistic = PixelDensity.of(x, data, RESOLUTION)
    assert statistic.measure(x, data).shape == (7, 2 * BINS)


def test_pixels_of_one_value_have_no_bins() -> None:
    with pytest.raises(InputError, match="given 2 nearly everywhere; allowed: fields that vary"):
        PixelDensity.of(np.full((3, 1, 8, 8), 2.0), grid(8), RESOLUTION)
