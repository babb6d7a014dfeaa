"""The null of the reduced chi-squared, by simulation and by a simulator in the emulator's place."""

from __future__ import annotations

import numpy as np
import pytest

from lognormal_emulator import LognormalEmulator, assert_emulates
from lognormal_truth import THETA, fields, truth
from sbipipe.emulation import spectra
from sbipipe.emulation.chi_squared import (
    leave_one_out,
    mean_of_clusters,
    null,
    ratio_of_clusters,
    reduced_chi_squared,
)
from sbipipe.interfaces import Array, Fields, Geometry


def power(x: Array) -> Array:
    return spectra.power(x, truth().data)


def against(generated: Array, true: Array) -> Array:
    """chi2_r over its null, of every generated field, with shape (T, m)."""
    pairs = zip(power(generated), power(true), strict=True)
    found = np.stack([reduced_chi_squared(*pair) for pair in pairs])
    return found / null(true.shape[1], power(true).shape[-1])


@pytest.mark.parametrize("shared", [0.0, 0.9])
@pytest.mark.parametrize("n", [8, 15])
def test_the_null_is_the_mean_for_gaussian_power(n: int, shared: float) -> None:
    """Bins that share most of their variance change the error of the mean alone."""
    K, trials = 16, 20_000
    rng = np.random.default_rng(n)
    normal = rng.standard_normal((trials, n + 1, K))
    common = rng.standard_normal((trials, n + 1, 1))
    power = 3 + 0.2 * (np.sqrt(1 - shared) * normal + np.sqrt(shared) * common)
    reference, one = power[:, :n], power[:, n]
    terms = (one - reference.mean(1)) ** 2 / reference.var(1, ddof=1)
    found = terms.sum(-1) / (K - 1)
    alone = reduced_chi_squared(one[0], reference[0])
    assert alone == pytest.approx(found[0])
    error = found.std() / np.sqrt(trials)
    assert abs(found.mean() - null(n, K)) < 4 * error


def test_the_null_at_the_numbers_of_the_literature() -> None:
    assert null(15, 128) == pytest.approx(1.254, abs=5e-4)
    assert null(14, 128) == pytest.approx(1.276, abs=5e-4)
    with pytest.raises(ValueError, match="references: given 3"):
        null(3, 128)


def test_leaving_one_out_has_the_null_of_one_reference_less() -> None:
    power = np.random.default_rng(0).standard_normal((3000, 15, 16))
    found = np.stack([leave_one_out(one, one) for one in power])
    mean = mean_of_clusters(found)
    assert abs(mean.mean - null(14, 16)) < 4 * mean.se
    by_hand = reduced_chi_squared(power[0, 3], np.delete(power[0], 3, 0))
    assert found[0, 3] == by_hand


def test_leaving_one_out_of_the_references_takes_as_many_of_the_others() -> None:
    rng = np.random.default_rng(0)
    reference, power = rng.standard_normal((15, 8)), rng.standard_normal((50, 8))
    found = leave_one_out(power, reference)
    assert found.shape == (15,)
    assert found[14] == reduced_chi_squared(power[14], reference[:14])


def test_true_fields_in_the_place_of_generated_ones_have_a_ratio_of_one() -> None:
    """Skewed power adds a few percent, which the true fields themselves show."""
    true = fields(15, "true")
    found = against(fields(30, "again"), true)
    assert found.mean() == pytest.approx(1, abs=0.25)
    spectrum = power(true)
    left_out = np.stack([leave_one_out(one, one) for one in spectrum])
    ratio = ratio_of_clusters(found, left_out / null(14, spectrum.shape[-1]))
    assert abs(ratio.mean - 1) < 3.5 * ratio.se
    assert ratio.se < 0.1


def test_too_much_power_raises_it() -> None:
    true = fields(15, "true")
    right, wrong = fields(20, "generated"), fields(20, "generated", 1.1)
    assert against(wrong, true).mean() > 1.5 * against(right, true).mean()


def test_it_forgives_too_little_power_on_small_maps() -> None:
    """Such fields scatter less as well; `z_scores.rms_z` sees them."""
    true = fields(15, "true")
    right, wrong = fields(50, "generated"), fields(50, "generated", 0.9)
    assert against(wrong, true).mean() < against(right, true).mean()


@pytest.mark.parametrize("shape", [(1, 16), (2, 8, 8), (3, 8, 8, 8)])
def test_channels_follow_each_other(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 5, *shape))
    geometry = Geometry(pixels=shape[1:])
    whole = Fields(geometry=geometry, channels=tuple("abc"[: shape[0]]))
    k = spectra.wavenumbers(whole)
    found = spectra.power(x, whole)
    assert found.shape == (2, 5, shape[0] * len(k))
    last = spectra.power(x[:, :, -1:], Fields(geometry=geometry))
    np.testing.assert_array_equal(found[..., -len(k) :], last)


def test_errors_count_theta() -> None:
    """The ratio of two means over clusters that share a factor, in units of its error."""
    rng = np.random.default_rng(0)
    z = []
    for _ in range(400):
        shared = rng.gamma(20, 1 / 20, (30, 1))
        a, b = (shared * rng.gamma(5, 1 / 5, (30, m)) for m in (20, 10))
        ratio = ratio_of_clusters(a, b)
        z.append((ratio.mean - 1) / ratio.se)
    assert 0.85 < np.std(z) < 1.15
    assert mean_of_clusters(np.ones((1, 4))) == (1.0, 0.0)


def test_the_stand_in_is_an_emulator() -> None:
    assert_emulates(LognormalEmulator(), THETA[:3])
