"""lenstools against closed forms and brute force."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, ndimage, stats
from scipy.special import erfc

from sbipipe.interfaces import InputError
from sbipipe.statistics import lensing_statistics as ls

SIDE = 32


def white(n: int, side: int = SIDE, seed: int = 1) -> np.ndarray:
    maps = np.random.default_rng(seed).normal(size=(n, side, side))
    return maps.astype(np.float32).astype(np.float64)


def smooth(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian fields, and |f_k|^2 expected."""
    k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIDE) * SIDE] * 2))
    power = np.where(k > 0, np.exp(-((k / 6) ** 2)), 0) * SIDE**2
    modes = np.fft.fft2(white(n, seed=seed)) * np.sqrt(power) / SIDE
    return np.fft.ifft2(modes).real, power


def flat(side: int = SIDE) -> np.ndarray:
    return np.ones((side, side // 2 + 1))


@pytest.mark.parametrize("side", [16, 17, 32])
def test_band_power_is_the_mean_over_all_modes_of_the_plane(side: int):
    (field,) = white(1, side)
    field -= field.mean()
    edges = np.linspace(0.5, side * 0.71, 7)
    band = ls.band_power(ls._map(field), edges, ls.power_scale(edges, flat(side)))
    frequency = np.fft.fftfreq(side) * side
    k = np.hypot(frequency[:, None], frequency)
    power = np.abs(np.fft.fft2(field)) ** 2
    expected = [power[(k > low) & (k <= high)].mean() for low, high in pairwise(edges)]
    np.testing.assert_allclose(band, expected, rtol=1e-10)


def test_power_of_a_plane_wave_lies_in_its_band_alone():
    x = 2 * np.pi * np.arange(SIDE) / SIDE
    field = 0.7 * np.cos(3 * x[:, None] + 4 * x)
    edges = np.arange(0.5, 9.0)
    band = ls.band_power(ls._map(field), edges, ls.power_scale(edges, flat()))
    frequency = np.fft.fftfreq(SIDE) * SIDE
    k = np.hypot(frequency[:, None], frequency)
    modes = ((k > 4.5) & (k <= 5.5)).sum()
    expected = np.zeros(8)
    expected[4] = 2 * (0.7 * SIDE**2 / 2) ** 2 / modes
    np.testing.assert_allclose(band, expected, rtol=1e-10, atol=1e-8)


def test_the_reference_spectrum_makes_band_powers_one():
    maps, power = smooth(400)
    reference = power[:, : SIDE // 2 + 1]
    edges = np.linspace(0.5, SIDE * 0.71, 9)
    scale = ls.power_scale(edges, reference)
    band = np.array([ls.band_power(ls._map(m), edges, scale) for m in maps])
    error = band.std(0) / np.sqrt(len(maps))
    assert np.all(np.abs(band.mean(0) - 1) < 4 * error)


@pytest.mark.parametrize("side", [8, 16, 17, 32])
@pytest.mark.parametrize("bins", [2, 12, 24])
def test_the_bands_hold_every_mode_but_the_mean_and_none_is_empty(side: int, bins: int):
    edges = ls.band_edges(side, bins)
    counts, _ = np.histogram(ls.wavenumbers(side), edges)
    assert counts.sum() == ls.wavenumbers(side).size - 1
    assert counts.min() > 0
    assert len(counts) <= bins


def test_band_powers_are_nearly_sufficient():
    """Fisher information on amplitude and slope of P = A k^n, of the bands and of all modes."""
    k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIDE) * SIDE] * 2)).ravel()
    k = k[k > 0]
    edges = ls.band_edges(SIDE, 16)
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


def test_bispectrum_is_odd_scale_free_and_zero_for_gaussian_fields():
    maps, _ = smooth(400)
    grid = ls.make_grid(maps, 12, 8)

    def q(fields):
        centred = (field - field.mean() for field in fields)
        return np.array([ls.reduced_bispectrum(ls._map(field), grid) for field in centred])

    gaussian, skewed = q(maps), q(maps + 0.5 * maps**2)
    np.testing.assert_allclose(q(-3 * maps[:4]), -gaussian[:4], rtol=1e-7, atol=1e-9)
    error = gaussian.std(0) / np.sqrt(len(maps))
    assert np.all(np.abs(gaussian.mean(0)) < 4 * error)
    low_k = [0, 1, len(grid.triangles) - 1, len(grid.triangles)]
    assert np.all(skewed.mean(0)[low_k] > 4 * skewed.std(0)[low_k] / 20)


def test_peaks_are_the_brute_force_local_maxima():
    (field,) = white(1)
    edges = np.array([-ls.HIGHEST, 0.0, 0.5, 1.0, 1.7, ls.HIGHEST])
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    peaks = field > ndimage.maximum_filter(field, footprint=ring, mode="wrap")
    expected, _ = np.histogram(field[peaks], edges)
    np.testing.assert_allclose(ls.peak_counts(ls._map(field), edges), expected, rtol=1e-12)
    np.testing.assert_allclose(np.sort(ls._peak_heights(field)), np.sort(field[peaks]))


def test_a_plateau_has_no_peak():
    field = np.zeros((SIDE, SIDE))
    field[4:6, 4:6] = 0.1
    assert ls.measure(field, ["peak_counts"], ls.make_grid(white(2), 4, 2)).tolist() == (
        pytest.approx([2 * np.sqrt(3 / 8)] * 2)
    )


def test_minkowski_functionals_of_gaussian_fields():
    """Tomita (1986): V0, V1 and V2 follow from sigma_0 and sigma_1 alone."""
    maps, power = smooth(300)
    angle = 2 * np.pi * np.fft.fftfreq(SIDE)
    variance = power.sum() / SIDE**4
    slope = (power * (np.sin(angle)[:, None] ** 2 + np.sin(angle) ** 2)).sum() / SIDE**4
    s0, ratio = np.sqrt(variance), slope / variance
    levels = s0 * np.linspace(-2, 2, 7)

    def v1(nu):
        return np.sqrt(ratio / 2) / 8 * np.exp(-(nu**2) / 2 / variance)

    def v2(nu):
        peak = np.exp(-(nu**2) / 2 / variance) / (2 * np.pi) ** 1.5
        return ratio / 2 * nu / s0 * peak

    bins = list(pairwise(levels))
    expected = [
        [erfc((low + high) / 2 / s0 / np.sqrt(2)) / 2 for low, high in bins],
        [integrate.quad(v1, low, high)[0] / (high - low) for low, high in bins],
        [integrate.quad(v2, low, high)[0] / (high - low) for low, high in bins],
    ]
    measured = np.array([ls.minkowski_functionals(ls._map(m), levels) for m in maps])
    error = measured.std(0) / np.sqrt(len(maps))
    assert np.all(np.abs(measured.mean(0) - expected) < 4 * error)
    assert np.all(error < 0.05 * np.abs(expected).max(1, keepdims=True))


def test_moments_are_those_of_the_pixels():
    (field,) = np.exp(0.5 * smooth(1)[0])
    named = dict(zip(ls.MOMENTS[1:], ls.moments(ls._map(field - field.mean())), strict=True))
    rows = (np.roll(field, -1, 0) - np.roll(field, 1, 0)) / 2
    columns = (np.roll(field, -1, 1) - np.roll(field, 1, 1)) / 2
    assert named["log sigma0"] == pytest.approx(np.log(field.std()))
    assert named["log sigma1"] == pytest.approx(np.log((rows**2 + columns**2).mean()) / 2)
    assert named["S0"] == pytest.approx(stats.skew(field.ravel()))
    assert named["K0"] == pytest.approx(stats.kurtosis(field.ravel()))


def test_higher_moments_of_gaussian_fields_vanish():
    maps = white(600)
    measured = np.array([ls.moments(ls._map(m - m.mean())) for m in maps])[:, 2:]
    error = measured.std(0) / np.sqrt(len(maps))
    assert np.all(np.abs(measured.mean(0)) < 4 * error + 3 / SIDE**2)  # bias of the sample mean


@pytest.mark.parametrize(
    "field",
    [
        np.zeros((SIDE, SIDE)),
        np.full((SIDE, SIDE), -7.5),
        np.eye(SIDE) * 1e6,
        (-1.0) ** np.add.outer(np.arange(SIDE), np.arange(SIDE)),
        np.random.default_rng(0).pareto(1.0, (SIDE, SIDE)),
    ],
    ids=["zero", "constant", "huge", "checkerboard", "heavy-tailed"],
)
def test_every_statistic_of_every_map_is_finite(field: np.ndarray):
    grid = ls.make_grid(smooth(5)[0], 12, 8)
    vector = ls.measure(field, ls.STATISTICS, grid)
    assert np.isfinite(vector).all()
    assert vector.shape == (len(ls.names(ls.STATISTICS, grid)),)


def test_maps_that_do_not_vary_have_no_thresholds():
    with pytest.raises(InputError, match="given 2 nearly everywhere; allowed: maps that vary"):
        ls.make_grid(np.full((3, SIDE, SIDE), 2.0), 12, 8)


def test_the_compatibility_of_lenstools_stays_its_own():
    ls._convergence()
    assert not any(hasattr(np, name) for name in ("float", "int", "complex"))
    assert "distutils.config" not in sys.modules
