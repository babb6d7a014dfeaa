"""What is said of many fields at one theta."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import white_noise
from lognormal_truth import judged, sample, truth
from sbipipe.emulation.at_one_theta import at_one_theta, measured, pixels, summary
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.sample import TrueSample
from sbipipe.emulation.sampled import Sampled
from sbipipe.interfaces import Fields, Geometry


def said(factor: float = 1.0) -> Sampled:
    found = judged(factor).at_one_theta
    assert isinstance(found, Sampled)
    return found


def test_what_there_is_is_said() -> None:
    found = said()
    assert (found.fields, found.simulations) == (200, 40)
    assert list(found.distributions) == ["power spectrum", "Minkowski functionals"]
    power = found.distributions["power spectrum"]
    assert len(power.x) == len(power.generated["Kolmogorov-Smirnov"].p) == 8
    assert power.x_label == "k [h/Mpc]"
    assert len(found.distributions["Minkowski functionals"].control["Anderson-Darling"].p) == 57
    assert list(found.masses) == ["pixels", "summary"]
    assert all(25 < one.generated.expected <= 39 for one in found.masses.values())
    assert "bispectrum" not in found.summary
    assert "moments" in found.summary


def test_a_perfect_emulator_cannot_be_told_from_true_fields() -> None:
    for one in said().distributions.values():
        for both in (one.generated, one.control):
            assert all(found.p_largest > 0.01 for found in both.values())
    for masses in said().masses.values():
        assert min(masses.generated.p, masses.control.p) > 0.01
    for one in (said().classifiers.generated, said().classifiers.control):
        assert abs(one.auc - 0.5) < 0.1  # 3.5 times that of Mann & Whitney


def test_a_wrong_sigma_8_is_found() -> None:
    right, wrong = said().distributions, said(1.1).distributions
    for statistic, one in wrong.items():
        for test, found in one.generated.items():
            assert found.p_largest <= 0.01, (statistic, test)
            np.testing.assert_array_equal(one.control[test].p, right[statistic].control[test].p)
    assert said(1.1).masses["summary"].generated.p <= 0.01
    assert said(1.1).masses["summary"].control == said().masses["summary"].control
    assert said(1.1).classifiers.generated.auc > 0.8
    for test, found in wrong["power spectrum"].generated.items():
        assert found.similar_95 <= right["power spectrum"].generated[test].similar_95


def test_fields_without_a_statistic_are_judged_by_the_others() -> None:
    truth, drawn = white_noise.drawn((2, 16))
    draw = np.random.default_rng(0).standard_normal
    true, control, generated = (draw((10, 5, 2, 16)) for _ in range(3))
    many = TrueSample(theta=truth.varied[0], true=true, control=control)
    found = at_one_theta(replace(truth, sample=many), replace(drawn, sample=generated), 0)
    assert isinstance(found, Sampled)
    assert list(found.distributions) == ["power spectrum", "cross-spectra and coherence"]
    power = found.distributions["power spectrum"]
    assert len(power.x) == 8
    assert len(power.generated["Anderson-Darling"].p) == 16


def test_values_stay_with_their_simulation() -> None:
    generated = sample("generated")
    many = truth().sample
    assert many is not None
    found = measured(many, generated, truth().data)
    assert "bispectrum" not in found
    means = found["moments"].values.generated[..., 0]
    np.testing.assert_allclose(means, generated.mean((2, 3, 4)), rtol=1e-5, atol=1e-6)


def test_a_summary_is_in_units_of_true_fields() -> None:
    many = truth().sample
    assert many is not None
    found = summary(measured(many, sample("generated"), truth().data))
    np.testing.assert_allclose(found.true.mean((0, 1)), 0, atol=1e-9)
    np.testing.assert_allclose(found.true.std((0, 1)), 1)
    assert found.true.shape == found.generated.shape == found.control.shape


@pytest.mark.parametrize(("side", "length"), [(16, 256), (64, 1024)])
def test_pixels_of_large_fields_are_averaged_first(side: int, length: int) -> None:
    draw = np.random.default_rng(0).standard_normal
    x, y, z = (draw((5, 2, 2, side, side)) * np.array([1, 9])[:, None, None] for _ in range(3))
    data = Fields(geometry=Geometry(pixels=(side, side)), channels=("a", "b"))
    found = pixels(TrueSample(theta=np.zeros(1), true=x, control=y), z, data)
    assert found.generated.shape == (5, 2, 2 * length)
    first, second = np.split(found.true, 2, axis=-1)
    assert 0.8 < first.std() / second.std() < 1.25


@pytest.mark.parametrize("simulator", [True, False])
def test_without_a_sample_it_says_what_it_takes(simulator: bool) -> None:
    found: tuple = white_noise.drawn((1, 8, 8), simulator=simulator)
    assert isinstance(found[1], Drawn)
    why = at_one_theta(*found, 0)
    if simulator:
        assert why == "None were asked for: judge.fields is 0"
    else:
        assert why == (
            "They take true fields of 10 simulations at one theta at least; simulations of noise "
            "were made elsewhere, so there are 9 fields of 1"
        )
