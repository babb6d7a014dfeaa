"""What is said of an emulator that is right by construction, and of one that is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import white_noise
from lognormal_emulator import SIMULATOR, LognormalEmulator, held_out
from sbipipe.emulation import held_out as emulated
from sbipipe.emulation import judge as validation
from sbipipe.emulation import scores as emulation
from sbipipe.emulation.held_out import Emulated, Unchecked
from sbipipe.interfaces import Array


@cache
def drawn(factor: float = 1.0) -> Emulated:
    found = emulated.emulate(
        LognormalEmulator(factor), SIMULATOR, SIMULATOR.prior, held_out(), "maps", "mine", 3
    )
    assert isinstance(found, Emulated)
    return found


@cache
def said(factor: float = 1.0) -> dict[str, Any]:
    return validation.validate(drawn(factor))


def test_a_perfect_emulator_cannot_be_told_from_true_fields() -> None:
    found = said()
    sets = found["chi_squared"]["sets"]
    for key in ("leave_one_out_generated", "generated", "control"):
        assert abs(sets[key]["to_true"] - 1) < 3.5 * sets[key]["to_true_se"], key
    assert abs(sets["generated"]["to_control"] - 1) < 3.5 * sets["generated"]["to_control_se"]
    assert sets["control"]["to_control"] == pytest.approx(1)
    for statistic, both in found["rms_z"].items():
        assert 0.75 < both["generated"] < 1.35, statistic
        assert 0.75 < both["control"] < 1.35, statistic
    for both in (found["difference_percent"], found["correlation"]["rms_difference"]):
        assert 0.7 < both["generated"] / both["control"] < 1.4
    assert 0.6 < found["response"]["rms_z"]["generated"] < 1.6


def test_a_wrong_sigma_8_is_found() -> None:
    right, wrong = said(), said(1.1)
    assert wrong["chi_squared"]["sets"]["generated"]["to_true"] > 1.5
    assert right["chi_squared"]["sets"]["control"] == wrong["chi_squared"]["sets"]["control"]
    for statistic in ("power spectrum", "pixel density", "Minkowski functionals"):
        assert wrong["rms_z"][statistic]["generated"] > 1.5, statistic
    assert said(0.9)["rms_z"]["power spectrum"]["generated"] > 1.5
    # The bispectrum is measured on whitened maps, in units of their power.
    assert wrong["rms_z"]["bispectrum"]["generated"] < 1.35


def test_everything_asked_for_is_there() -> None:
    found = said()
    assert set(found["rms_z"]) == set(validation.GROUPS)
    assert found["left_out"] == []
    assert found["counts"] == {
        "theta": 10, "true": 15, "generated": 50, "control": 15, "failed": 0
    }  # fmt: skip
    sets = found["chi_squared"]["sets"]
    sizes = {key: len(one["values"]) for key, one in sets.items()}
    assert sizes == {
        "leave_one_out_true": 150,
        "leave_one_out_generated": 150,
        "generated": 500,
        "control": 150,
    }
    assert [one["references"] for one in sets.values()] == [14, 14, 15, 15]
    assert len(found["examples"]) == validation.SHOWN
    first = [example["theta"][0] for example in found["examples"]]
    assert first == sorted(first)
    for example in found["examples"]:
        for name, curve in example["curves"].items():
            lengths = {len(curve[key]) for key in ("x", "z", "z_control")}
            lengths |= {len(curve[s][v]) for s in ("true", "generated") for v in ("mean", "sd")}
            assert len(lengths) == 1, name


def test_what_is_written_is_small_and_finite() -> None:
    text = json.dumps(said(), allow_nan=False, default=lambda array: array.tolist())
    assert len(text) < 150_000


def test_the_simulator_responds_as_it_does_itself() -> None:
    response = drawn().response
    assert response.true is not None
    same = replace(response, generated=response.true)
    found = validation._response(same, ("omega_m", "sigma_8"), 250.0)
    assert found["rms_percent"]["generated"] == 0
    assert found["rms_z"]["generated"] == 0
    assert found["rms_percent"]["control"] > 0
    for one in found["parameters"].values():
        assert one["generated"] == one["true"]


def test_a_response_is_the_ratio_of_spectra() -> None:
    """Where sigma_8 is a factor, so is its square."""
    found = said()["response"]["parameters"]["sigma_8"]
    for value, band in zip(found["values"], found["true"], strict=True):
        np.testing.assert_allclose(band["mean"], (value / found["fiducial"]) ** 2, rtol=1e-4)
        np.testing.assert_allclose(band["sd"], 0, atol=1e-4)
    assert list(said()["response"]["parameters"]) == ["omega_m", "sigma_8"]


def test_maps_of_one_seed_count_once() -> None:
    rows = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(validation.by_seed(rows, 3), [[2, 3], [8, 9]])


def test_correlations_are_those_within_each_theta() -> None:
    rng = np.random.default_rng(0)
    known = 0.6 ** np.abs(np.subtract.outer(range(6), range(6)))
    rows = rng.multivariate_normal(np.zeros(6), known, (40, 100))
    power = 10 + np.arange(40)[:, None, None] * (3 + 0.2 * rows)
    np.testing.assert_allclose(validation.correlation(power[1:]), known, atol=4 / np.sqrt(3900))


def test_z_is_standard_for_equal_means() -> None:
    rng = np.random.default_rng(0)
    z = emulation.z_scores(rng.standard_normal((50, 20_000)), 3 * rng.standard_normal((60, 20_000)))
    assert z.std() == pytest.approx(1, abs=0.03)
    assert (emulation.z_scores(np.ones((3, 4)), np.ones((5, 4))) == 0).all()


def test_true_fields_of_one_box_are_judged_by_those_of_others() -> None:
    """The amplitude of each box is its own. Leaving one out sees none of that; the control does."""
    rng = np.random.default_rng(0)
    one = white_noise.drawn((1, 16, 16))

    def boxes(count: int) -> Array:
        return np.exp(0.1 * rng.standard_normal((4, count, 1, 1, 1)))

    assert one.control is not None
    found = validation.validate(
        replace(
            one,
            true=one.true * boxes(1),
            generated=one.generated * boxes(12),
            control=one.control * boxes(9),
        )
    )
    generated = found["chi_squared"]["sets"]["generated"]
    assert generated["ratio"] > 1.2
    assert generated["to_true"] > 1.2
    assert abs(generated["to_control"] - 1) < 3.5 * generated["to_control_se"]


# Fields of other shapes, and from elsewhere


@pytest.mark.parametrize("simulator", [True, False])
@pytest.mark.parametrize("shape", [(1, 16), (2, 8), (1, 8, 8), (2, 16, 16), (1, 8, 8, 8)])
def test_fields_of_any_shape(shape: tuple[int, ...], simulator: bool) -> None:
    found = validation.validate(white_noise.drawn(shape, simulator=simulator))
    json.dumps(found, allow_nan=False, default=lambda array: array.tolist())
    maps = len(shape) == 3 and shape[-1] >= validation.MAP_SMALLEST
    assert bool(found["left_out"]) != maps
    assert ("bispectrum" in found["rms_z"]) == maps
    assert found["chi_squared"]["bins"] == shape[0] * (shape[1] // 2)
    assert found["k_unit"] == "cycles per map"
    assert len(found["examples"][0]["curves"]["power spectrum"]["x"]) == shape[1] // 2


def test_without_a_simulator_true_fields_are_halved() -> None:
    found = validation.validate(white_noise.drawn((1, 8, 8), simulator=False))
    assert found["control"] == "halves"
    assert found["counts"]["control"] == 4
    assert found["chi_squared"]["sets"]["control"]["references"] == 5
    assert found["response"]["rms_z"] is None
    assert set(found["response"]["rows"]) == {"generated"}
    assert "true" not in found["response"]["parameters"]["a"]


def test_what_cannot_be_compared_says_why() -> None:
    assert validation.validate(Unchecked("so it is")) == {"unchecked": "so it is"}
    one = white_noise.drawn((1, 8, 8))
    broken = one.generated.copy()
    broken[1, 2, 0, 3, 3] = np.nan
    broken[2, 2] = 1.0
    cases = {
        "2 of 66 emulated fields are constant or not finite": replace(one, generated=broken),
        "fields of 8 x 4 pixels; allowed: equal sides of 4 or more": white_noise.drawn((1, 8, 4)),
        "given 1 x 8 x 4 values a field; allowed: 1 x 8 x 8": replace(
            one, generated=one.generated[..., :4]
        ),
    }
    for why, found in cases.items():
        assert validation.validate(found) == {"unchecked": why}
