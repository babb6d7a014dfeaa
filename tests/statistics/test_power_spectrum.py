"""Band powers against brute force, and how little of a spectrum they lose."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gaussian_maps import SIDE, grid, plane, smooth, white
from sbipipe.interfaces import Array, Fields, Geometry
from sbipipe.physics.fields import gaussian_field, power_spectrum
from sbipipe.statistics import Resolution
from sbipipe.statistics._bands import Bands, squared_modes, squares
from sbipipe.statistics.power_spectrum import PowerSpectrum, band_edges


@pytest.mark.parametrize("side", [16, 17, 32])
def test_a_band_is_the_mean_over_all_modes_of_the_plane(side: int) -> None:
    field = white(1, side)[0, 0]
    edges = np.linspace(0.5, side * 0.71, 7)
    k, power = plane(side), np.abs(np.fft.fft2(field - field.mean())) ** 2
    expected = [power[(k > low) & (k <= high)].mean() for low, high in pairwise(edges)]
    found = Bands.of(edges, side, 2).mean(squared_modes(field))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("shape", [(1, 17), (2, 16), (1, 16, 16), (3, 9, 9), (2, 8, 8, 8)])
@pytest.mark.parametrize("box", [None, 250.0])
def test_the_power_in_narrow_bins_is_that_of_periodic_fields(
    shape: tuple[int, ...], box: float | None
) -> None:
    x = 3 + np.random.default_rng(0).standard_normal((4, *shape))
    channels = tuple(f"channel {c}" for c in range(shape[0]))
    data = Fields(geometry=Geometry(pixels=shape[1:], box=box), channels=channels)
    found = PowerSpectrum.of(x, data, Resolution(bands=None, thresholds=2))
    expected = power_spectrum(x, box or 1.0, dimensions=len(shape) - 1)
    np.testing.assert_allclose(found.measure(x, data), expected.power.reshape(4, -1), rtol=1e-10)
    k = expected.k if box else expected.k / (2 * np.pi)
    for c, axis in enumerate(found.axes(data)):
        assert axis.channel == c
        np.testing.assert_allclose(axis.x, k)
        assert axis.x_label == ("k [h/Mpc]" if box else "k [cycles per side]")


def test_the_power_of_a_plane_wave_lies_in_its_band_alone() -> None:
    x = 2 * np.pi * np.arange(SIDE) / SIDE
    field = 0.7 * np.cos(3 * x[:, None] + 4 * x)
    data = grid(box=1.0)
    found = PowerSpectrum.whole(data).measure(field[None, None], data)[0]
    modes = ((plane(SIDE) > 4.5) & (plane(SIDE) <= 5.5)).sum()
    expected = np.zeros(SIDE // 2)
    expected[4] = 2 * (0.7 / 2) ** 2 / modes
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


def test_the_reference_spectrum_makes_band_powers_one() -> None:
    maps, power = smooth(400)
    edges = np.linspace(0.5, SIDE * 0.71, 9)
    statistic = PowerSpectrum(k=(edges,), reference=(power[:, : SIDE // 2 + 1],))
    band = statistic.measure(maps, grid())
    error = band.std(0) / np.sqrt(len(maps))
    assert np.all(np.abs(band.mean(0) - 1) < 4 * error)


def test_reference_fields_have_band_powers_of_one_where_k_is_one_shell() -> None:
    """A band of one wavenumber is the mean of the reference itself."""
    maps = smooth(5)[0]
    statistic = PowerSpectrum.of(maps, grid(), Resolution(bands=16, thresholds=2))
    first = PowerSpectrum(k=(np.array([0.9, 1.1, 1.5]),), reference=statistic.reference)
    np.testing.assert_allclose(first.measure(maps, grid()).mean(0), 1, rtol=1e-10)


@pytest.mark.parametrize("side", [8, 16, 17, 32])
@pytest.mark.parametrize("bins", [2, 12, 24])
def test_the_bands_hold_every_mode_but_the_mean_and_none_is_empty(side: int, bins: int) -> None:
    edges = band_edges(side, 2, bins)
    k = np.sqrt(squares(side, 2))
    counts, _ = np.histogram(k, edges)
    assert counts.sum() == k.size - 1
    assert counts.min() > 0
    assert len(counts) <= bins


def test_band_powers_are_nearly_sufficient() -> None:
    """Fisher information on amplitude and slope of P = A k^n, of the bands and of all modes."""
    k = plane(SIDE).ravel()
    k = k[k > 0]
    edges = band_edges(SIDE, 2, 16)
    reference = k**-2.0

    def information(n: float) -> tuple[np.ndarray, np.ndarray]:
        slopes = np.stack([np.ones_like(k), np.log(k)])
        bands, ratio = np.zeros((2, 2)), k**n / reference
        for low, high in pairwise(edges):
            band = (k > low) & (k <= high)
            mean = (ratio * slopes)[:, band].sum(1)
            bands += np.outer(mean, mean) / (2 * (ratio[band] ** 2).sum())
        return bands, slopes @ slopes.T / 2

    for n in (-3.0, -2.0, -1.0):
        bands, modes = information(n)
        nats = 0.5 * (np.linalg.slogdet(modes)[1] - np.linalg.slogdet(bands)[1])
        assert 0 <= nats < 0.03


PATCH = grid(box=1.0, periodic=False)


def crops(slope: float, maps: int, times: int = 4) -> Array:
    """Of Gaussian maps four times as wide, with P = k^slope, k in waves along a crop."""
    k, rng = plane(SIDE * times) / times, np.random.default_rng(0)
    power = np.where(k > 0, k, np.inf) ** slope
    wide = [gaussian_field(rng.standard_normal(k.shape), power, times) for _ in range(maps)]
    apart = np.reshape(wide, (maps, times, SIDE, times, SIDE)).swapaxes(2, 3)
    return apart.reshape(-1, 1, SIDE, SIDE)


def test_the_power_of_a_crop_of_a_steep_spectrum_is_that_of_the_whole() -> None:
    """But for n^2 / (8 k^2) of it (`physics.taper`); taken to be periodic it has much more."""
    fields, n, maps = crops(-3.0, 40), -3.0, 40
    k = np.sqrt(squares(SIDE, 2))
    bands = Bands.of(np.arange(SIDE // 2 + 1) + 0.5, SIDE, 2)
    expected = bands.mean(np.where(k > 0, k, np.inf) ** n)[3:]
    bias = n**2 / 8 / np.arange(4, SIDE // 2 + 1) ** 2
    measured = {
        periodic: PowerSpectrum.whole(data).measure(fields, data)[:, 3:] / expected
        for periodic, data in ((False, PATCH), (True, grid(box=1.0)))
    }
    of_maps = measured[False].reshape(maps, -1, len(expected)).mean(1)
    error = of_maps.std(0, ddof=1) / np.sqrt(maps)
    assert (error < 0.03).all()
    assert (np.abs(of_maps.mean(0) - 1 - bias) < 4 * error + 0.02).all()
    assert (measured[True].mean(0) > 1.5).all()


def test_a_jump_between_opposite_sides_is_not_seen() -> None:
    """A slope across the map that rises by four standard deviations."""
    fields = crops(0.0, 5)
    slope = 4 * fields.std() * np.arange(SIDE) / SIDE
    statistic = PowerSpectrum.whole(PATCH)
    flat, tilted = (statistic.measure(x, PATCH).mean(0) for x in (fields, fields + slope))
    np.testing.assert_allclose(tilted[4:], flat[4:], rtol=0.03)
    flat, tilted = (statistic.measure(x, grid(box=1.0)).mean(0) for x in (fields, fields + slope))
    assert (tilted[4:8] > 1.1 * flat[4:8]).all()


def test_grids_without_an_isotropic_spectrum_say_so() -> None:
    oblong = Fields(geometry=Geometry(pixels=(8, 4)))
    assert (
        PowerSpectrum.obstacle(oblong) == "given 8 x 4 pixels; allowed: equal sides of at least 4"
    )
    assert PowerSpectrum.obstacle(grid(4)) == ""
    assert PowerSpectrum.obstacle(grid(4, periodic=False)) == ""
