"""Moments against those of the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gaussian_maps import SIDE, grid, smooth, white
from sbipipe.statistics.moments import HIGH, LOW, Moments


def test_moments_are_those_of_the_pixels() -> None:
    maps = np.exp(0.5 * smooth(1)[0])
    field = maps[0, 0]
    named = dict(zip(LOW + HIGH, Moments().measure(maps, grid())[0], strict=True))
    rows = (np.roll(field, -1, 0) - np.roll(field, 1, 0)) / 2
    columns = (np.roll(field, -1, 1) - np.roll(field, 1, 1)) / 2
    assert named["mean"] == pytest.approx(field.mean())
    assert named["sigma0"] == pytest.approx(field.std())
    assert named["sigma1"] == pytest.approx(np.sqrt((rows**2 + columns**2).mean()))
    assert named["S0"] == pytest.approx(stats.skew(field.ravel()), rel=1e-5)
    assert named["K0"] == pytest.approx(stats.kurtosis(field.ravel()), rel=1e-5)


def test_higher_moments_of_gaussian_fields_vanish() -> None:
    measured = Moments().measure(white(600), grid())[:, len(LOW) :]
    error = measured.std(0) / np.sqrt(len(measured))
    assert np.all(np.abs(measured.mean(0)) < 4 * error + 3 / SIDE**2)  # bias of the sample mean
