"""Cross-spectra against brute force, and coherence where it is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gaussian_maps import SIDE, grid, plane, smooth, white
from sbipipe import plugins
from sbipipe.interfaces import Fields, Geometry
from sbipipe.statistics import Resolution
from sbipipe.statistics.cross_spectra import CrossSpectra
from sbipipe.statistics.power_spectrum import PowerSpectrum

WHOLE = Resolution(bands=None, thresholds=2)
DATA = grid(channels=2, box=50.0)


def test_a_band_is_the_mean_over_all_modes_of_the_plane() -> None:
    x = np.concatenate([white(3, seed=1), white(3, seed=2) ** 2], 1)
    found = CrossSpectra.of(x, DATA, WHOLE).measure(x, DATA)
    F, G = (np.fft.fft2(x[0, c] - x[0, c].mean()) for c in range(2))
    edges, k = np.arange(SIDE // 2 + 1) + 0.5, plane(SIDE)
    cell = (50 / SIDE) ** 2 / SIDE**2

    def mean(values: np.ndarray) -> np.ndarray:
        bands = ((k > low) & (k <= high) for low, high in pairwise(edges))
        return np.array([values[band].mean() for band in bands])

    cross = mean((F * G.conj()).real)
    coherence = cross / np.sqrt(mean(np.abs(F) ** 2) * mean(np.abs(G) ** 2))
    np.testing.assert_allclose(found[0, : SIDE // 2], cell * cross, rtol=1e-9)
    np.testing.assert_allclose(found[0, SIDE // 2 :], coherence, rtol=1e-9)


@pytest.mark.parametrize("bands", [None, 8])
def test_of_a_channel_with_itself_it_is_the_power(bands: int | None) -> None:
    maps, _ = smooth(5)
    x, resolution = np.repeat(maps, 2, 1), Resolution(bands=bands, thresholds=2)
    found = CrossSpectra.of(x, DATA, resolution).measure(x, DATA)
    power = PowerSpectrum.of(x, DATA, resolution).measure(x, DATA)
    L = power.shape[1] // 2
    np.testing.assert_allclose(found[:, :L], power[:, :L], rtol=1e-9)
    np.testing.assert_allclose(found[:, L:], 1, rtol=1e-9)


def test_the_coherence_of_a_channel_with_noise_is_known() -> None:
    """g = -f + s n of white f and n has r = -1 / sqrt(1 + s^2)."""
    f, n = white(400, seed=1), white(400, seed=2)
    x = np.concatenate([f, -f + 0.5 * n], 1)
    values = CrossSpectra.of(x[:10], DATA, WHOLE).measure(x, DATA)[:, SIDE // 2 :].mean(0)
    np.testing.assert_allclose(values[4:], -1 / np.sqrt(1.25), atol=0.005)


def test_independent_channels_have_none() -> None:
    x = np.concatenate([white(400, seed=1), white(400, seed=2)], 1)
    values = CrossSpectra.of(x[:10], DATA, WHOLE).measure(x, DATA)
    error = values.std(0) / np.sqrt(400)
    assert (np.abs(values.mean(0)) < 4 * error).all()


def test_every_pair_is_there_and_order_does_not_matter() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3, 8, 8, 8))
    data = Fields(geometry=Geometry(pixels=(8, 8, 8)), channels=("gas", "stars", "dust"))
    statistic = CrossSpectra.of(x, data, WHOLE)
    curves = [axis.curve for axis in statistic.axes(data)]
    assert curves[::2] == [
        "cross-power of gas and stars", "cross-power of gas and dust",
        "cross-power of stars and dust",
    ]  # fmt: skip
    found = statistic.measure(x, data).reshape(4, 3, -1)
    other = statistic.measure(x[:, ::-1], data).reshape(4, 3, -1)
    np.testing.assert_allclose(found, other[:, ::-1], rtol=1e-9)


def test_one_channel_alone_has_nothing_of_it() -> None:
    assert CrossSpectra.obstacle(grid()) == "given 1 channel; allowed: at least 2"
    assert "cross_spectra" not in plugins.statistics_of(grid())
    assert "cross_spectra" in plugins.statistics_of(DATA)
