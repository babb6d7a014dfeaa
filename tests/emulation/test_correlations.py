"""Correlations of spectra whose correlations are known."""

from __future__ import annotations

import numpy as np
import pytest

from sbipipe.emulation.correlations import MATRIX, correlation, correlations, covariance

KNOWN = 0.6 ** np.abs(np.subtract.outer(range(6), range(6)))


def spectra(seed: int, channels: int = 1) -> np.ndarray:
    """Of 39 theta whose mean and scatter differ, with shape (39, 100, 6 * channels)."""
    rng = np.random.default_rng(seed)
    rows = rng.multivariate_normal(np.zeros(6), KNOWN, (39, 100, channels)).reshape(39, 100, -1)
    return 10 + np.arange(1, 40)[:, None, None] * (3 + 0.2 * rows)


def test_correlations_are_those_within_each_theta() -> None:
    np.testing.assert_allclose(correlation(spectra(0)), KNOWN, atol=4 / np.sqrt(3900))


def test_every_channel_counts_in_the_difference() -> None:
    k = np.arange(1.0, 7)
    true, control = spectra(0, 2), spectra(1, 2)
    wrong = true.copy()
    wrong[..., 6:] = np.random.default_rng(2).permuted(wrong[..., 6:], axis=1)
    found = correlations(k, true, wrong, control, true)
    np.testing.assert_array_equal(found.generated, found.true)
    off = ~np.eye(6, dtype=bool)
    expected = np.sqrt(np.mean(KNOWN[off] ** 2) / 2)
    np.testing.assert_allclose(found.rms_difference.generated, expected, atol=0.03)
    assert found.rms_difference.control < 0.05


def test_covariances_are_in_units_of_the_scatter_of_true_fields() -> None:
    """Twice the scatter is four times the covariance, and no other correlation."""
    power = spectra(0)
    scatter = power.std(1, keepdims=True, ddof=1)
    np.testing.assert_allclose(covariance(power, scatter), KNOWN, atol=4 / np.sqrt(3900))
    mean = power.mean(1, keepdims=True)
    found = correlations(np.arange(1.0, 7), power, mean + 2 * (power - mean), spectra(1), power)
    assert found.rms_difference.generated < 1e-9
    off = ~np.eye(6, dtype=bool)
    expected = 3 * np.sqrt(np.mean(KNOWN[off] ** 2))
    assert found.covariance_difference.generated == pytest.approx(expected, rel=0.05)
    assert found.covariance_difference.control < 0.05


def test_covariances_between_channels_count() -> None:
    true, control = spectra(0, 2), spectra(1, 2)
    together = np.concatenate([true[..., :6], true[..., :6]], -1)
    found = correlations(np.arange(1.0, 7), true, together, control, true)
    expected = np.sqrt((2 * (KNOWN**2).sum()) / (12 * 11))  # of the two blocks beside the diagonal
    assert found.covariance_difference.generated == pytest.approx(expected, rel=0.1)


def test_neighbours_are_averaged_where_bins_are_many() -> None:
    power = np.random.default_rng(0).standard_normal((3, 20, 50))
    found = correlations(np.arange(50.0), power, power, power, power)
    assert found.true.shape == (MATRIX, MATRIX)
    np.testing.assert_allclose(found.k[0], 1)
