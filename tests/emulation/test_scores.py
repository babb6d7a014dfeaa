"""The null of the reduced chi-squared, by simulation and by a simulator in the emulator's place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lognormal_emulator import SIMULATOR, LognormalEmulator, assert_emulates
from sbipipe.emulation import scores as emulation
from sbipipe.interfaces import Array
from sbipipe.seeds import stream

THETA = SIMULATOR.prior.sample(12, stream(0, "theta"))


def fields(count: int, label: str, factor: float = 1.0) -> Array:
    drawn = LognormalEmulator(factor).emulate(np.repeat(THETA, count, 0), stream(0, label))
    return drawn.reshape(len(THETA), count, 1, 16, 16)


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
    alone = emulation.reduced_chi_squared(one[0], reference[0])
    assert alone == pytest.approx(found[0])
    error = found.std() / np.sqrt(trials)
    assert abs(found.mean() - emulation.null(n, K)) < 4 * error


def test_the_null_at_the_numbers_of_the_literature() -> None:
    assert emulation.null(15, 128) == pytest.approx(1.254, abs=5e-4)
    assert emulation.null(14, 128) == pytest.approx(1.276, abs=5e-4)
    with pytest.raises(ValueError, match="references: given 3"):
        emulation.null(3, 128)


def test_leaving_one_out_has_the_null_of_one_reference_less() -> None:
    power = np.random.default_rng(0).standard_normal((3000, 15, 16))
    found = np.stack([emulation.leave_one_out(one, one) for one in power])
    mean = emulation.mean_of_clusters(found)
    assert abs(mean.mean - emulation.null(14, 16)) < 4 * mean.se
    by_hand = emulation.reduced_chi_squared(power[0, 3], np.delete(power[0], 3, 0))
    assert found[0, 3] == by_hand


def test_leaving_one_out_of_the_references_takes_as_many_of_the_others() -> None:
    rng = np.random.default_rng(0)
    reference, power = rng.standard_normal((15, 8)), rng.standard_normal((50, 8))
    found = emulation.leave_one_out(power, reference)
    assert found.shape == (15,)
    assert found[14] == emulation.reduced_chi_squared(power[14], reference[:14])


def test_true_fields_in_the_place_of_generated_ones_score_one() -> None:
    """Skewed power adds a few percent, which the true fields themselves show."""
    true, again = fields(15, "true"), fields(30, "again")
    score = emulation.chi_squared_ratio(again, true, SIMULATOR.box)
    assert score == pytest.approx(emulation.chi_squared_ratio(again, true))
    power = emulation.spectra(true, SIMULATOR.box)[1]
    loo = np.stack([emulation.leave_one_out(one, one) for one in power])
    drawn = emulation.spectra(again, SIMULATOR.box)[1]
    pairs = zip(drawn, power, strict=True)
    against = np.stack([emulation.reduced_chi_squared(*pair) for pair in pairs])
    bins = power.shape[-1]
    assert score == pytest.approx(against.mean() / emulation.null(15, bins))
    scaled = emulation.null(14, bins) / emulation.null(15, bins)
    ratio = emulation.ratio_of_clusters(scaled * against, loo)
    assert abs(ratio.mean - 1) < 3.5 * ratio.se
    assert ratio.se < 0.1
    assert score == pytest.approx(1, abs=0.25)


def test_too_much_power_scores_worse() -> None:
    true = fields(15, "true")
    right, wrong = fields(20, "generated"), fields(20, "generated", 1.1)
    assert emulation.chi_squared_ratio(wrong, true) > 1.5 * emulation.chi_squared_ratio(right, true)


def test_only_z_sees_too_little_power_on_small_maps() -> None:
    """Chi-squared forgives it: such fields scatter less as well."""
    true = fields(15, "true")
    right, wrong = fields(50, "generated"), fields(50, "generated", 0.9)
    assert emulation.chi_squared_ratio(wrong, true) < emulation.chi_squared_ratio(right, true)
    assert emulation.rms_z(right, true) < 1.3
    assert emulation.rms_z(wrong, true) > 1.6 * emulation.rms_z(right, true)


@pytest.mark.parametrize("score", [emulation.chi_squared_ratio, emulation.rms_z])
def test_no_checkpoint_that_gives_nan_is_chosen(score: Any) -> None:
    true = fields(6, "true")
    broken = true.copy()
    broken[2, 3, 0, 1, 1] = np.nan
    assert score(broken, true) == np.inf


@pytest.mark.parametrize("score", [emulation.chi_squared_ratio, emulation.rms_z])
def test_fields_for_other_theta_are_refused(score: Any) -> None:
    true = fields(6, "true")
    with pytest.raises(ValueError, match="generated: given 3 theta; allowed: 12"):
        score(true[:3], true)


@pytest.mark.parametrize("shape", [(1, 16), (2, 8, 8), (3, 8, 8, 8)])
def test_channels_follow_each_other(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 5, *shape))
    k, power = emulation.spectra(x, None)
    assert power.shape == (2, 5, shape[0] * len(k))
    _, last = emulation.spectra(x[:, :, -1:], None)
    np.testing.assert_array_equal(power[..., -len(k) :], last)


def test_errors_count_theta() -> None:
    """The ratio of two means over clusters that share a factor, in units of its error."""
    rng = np.random.default_rng(0)
    z = []
    for _ in range(400):
        shared = rng.gamma(20, 1 / 20, (30, 1))
        a, b = (shared * rng.gamma(5, 1 / 5, (30, m)) for m in (20, 10))
        ratio = emulation.ratio_of_clusters(a, b)
        z.append((ratio.mean - 1) / ratio.se)
    assert 0.85 < np.std(z) < 1.15
    assert emulation.mean_of_clusters(np.ones((1, 4))) == (1.0, 0.0)


def test_the_stand_in_is_an_emulator() -> None:
    assert_emulates(LognormalEmulator(), THETA[:3], (1, 16, 16))
