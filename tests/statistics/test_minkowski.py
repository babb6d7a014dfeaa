"""Minkowski functionals against their closed form."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate
from scipy.special import erfc

from gaussian_maps import SIDE, grid, smooth
from sbipipe.records import InputError
from sbipipe.statistics import Resolution, curves
from sbipipe.statistics.minkowski import MinkowskiFunctionals


def test_minkowski_functionals_of_gaussian_fields() -> None:
    """Tomita (1986): V0, V1 and V2 follow from sigma_0 and sigma_1 alone."""
    maps, power = smooth(300)
    angle = 2 * np.pi * np.fft.fftfreq(SIDE)
    variance = power.sum() / SIDE**4
    slope = (power * (np.sin(angle)[:, None] ** 2 + np.sin(angle) ** 2)).sum() / SIDE**4
    s0, ratio = np.sqrt(variance), slope / variance
    levels = s0 * np.linspace(-2, 2, 7)

    def v1(nu: float) -> float:
        return float(np.sqrt(ratio / 2) / 8 * np.exp(-(nu**2) / 2 / variance))

    def v2(nu: float) -> float:
        peak = np.exp(-(nu**2) / 2 / variance) / (2 * np.pi) ** 1.5
        return float(ratio / 2 * nu / s0 * peak)

    bins = list(pairwise(levels))
    expected = [
        [erfc((low + high) / 2 / s0 / np.sqrt(2)) / 2 for low, high in bins],
        [integrate.quad(v1, low, high)[0] / (high - low) for low, high in bins],
        [integrate.quad(v2, low, high)[0] / (high - low) for low, high in bins],
    ]
    statistic = MinkowskiFunctionals(levels=(levels,))
    values = statistic.measure(maps, grid())
    for measured, known in zip(curves(values, statistic.axes(grid())), expected, strict=True):
        error = measured.std(0) / np.sqrt(len(maps))
        assert np.all(np.abs(measured.mean(0) - known) < 4 * error)
        assert np.all(error < 0.05 * np.abs(known).max())


def test_maps_that_do_not_vary_have_no_levels() -> None:
    flat = np.full((3, 1, SIDE, SIDE), 2.0)
    with pytest.raises(InputError, match="given 2 nearly everywhere; allowed: maps that vary"):
        MinkowskiFunctionals.of(flat, grid(), Resolution(bands=None, thresholds=8))
