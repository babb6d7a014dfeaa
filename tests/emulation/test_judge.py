"""What is said of an emulator that is right by construction, and of one that is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import white_noise
from gaussian_maps import grid
from lognormal_truth import judged, truth
from sbipipe import plugins
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judge import SHOWN, judge
from sbipipe.emulation.judgement import Judgement
from sbipipe.emulation.truth import Truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import Array
from sbipipe.records import dump, load

BEFORE = Path(__file__).parent / "judged_before.json"


def said(found: tuple[Truth, Drawn]) -> Judgement:
    training = np.random.default_rng(5).standard_normal((50, *found[0].data.shape))
    judgement = judge(*found, training, 0)
    assert isinstance(judgement, Judgement)
    return judgement


def test_a_perfect_emulator_cannot_be_told_from_true_fields() -> None:
    found = judged()
    sets = found.chi_squared.sets
    for key in ("leave_one_out_generated", "generated", "control"):
        assert abs(sets[key].to_true - 1) < 3.5 * sets[key].to_true_se, key
    assert abs(sets["generated"].to_control - 1) < 3.5 * sets["generated"].to_control_se
    assert sets["control"].to_control == pytest.approx(1)
    for statistic, both in found.rms_z.items():
        assert 0.75 < both.generated < 1.35, statistic
        assert 0.75 < both.control < 1.35, statistic
    for both in (found.difference_percent, found.correlation.rms_difference):
        assert 0.7 < both.generated / both.control < 1.4
    assert found.response.rms_z is not None
    assert 0.6 < found.response.rms_z.generated < 1.6


def test_a_wrong_sigma_8_is_found() -> None:
    right, wrong = judged(), judged(1.1)
    assert wrong.chi_squared.sets["generated"].to_true > 1.5
    control = [dump(one.chi_squared.sets["control"]) for one in (right, wrong)]
    assert control[0] == control[1]
    for statistic in ("power spectrum", "pixel density", "Minkowski functionals", "moments"):
        assert wrong.rms_z[statistic].generated > 1.5, statistic
    assert judged(0.9).rms_z["power spectrum"].generated > 1.5
    # The bispectrum is measured on whitened maps, in units of their power.
    assert wrong.rms_z["bispectrum"].generated < 1.35


def test_everything_asked_for_is_there() -> None:
    found = judged()
    titles = [one.title for one in plugins.statistics_of(truth().data).values()]
    assert list(found.rms_z) == titles
    assert found.left_out == {}
    assert dump(found.counts) == {
        "theta": 10, "true": 15, "generated": 50, "control": 15, "failed": 0
    }  # fmt: skip
    sets = found.chi_squared.sets
    assert {key: len(one.values) for key, one in sets.items()} == {
        "leave_one_out_true": 150,
        "leave_one_out_generated": 150,
        "generated": 500,
        "control": 150,
    }
    assert [one.references for one in sets.values()] == [14, 14, 15, 15]
    assert len(found.examples) == SHOWN
    first = [example.theta[0] for example in found.examples]
    assert first == sorted(first)
    for example in found.examples:
        for name, curve in example.curves.items():
            bands = [getattr(band, key) for band in (curve.true, curve.generated, curve.control)
                     for key in ("mean", "sd")]  # fmt: skip
            lengths = {len(values) for values in (curve.x, curve.z, curve.z_control, *bands)}
            assert len(lengths) == 1, name


def test_data_say_what_the_fields_are() -> None:
    found = judged()
    assert (found.quantity, found.k_unit, found.space) == ("ln(1 + delta)", "h/Mpc", (16, 16))
    curve = found.examples[0].curves["power spectrum"]
    assert (curve.x_label, curve.y_label) == ("k [h/Mpc]", "P(k) [(Mpc/h)^2]")
    assert found.examples[0].curves["pixel density"].x_label == "ln(1 + delta)"


def test_what_is_written_is_small_and_comes_back() -> None:
    text = json.dumps(dump(judged()), allow_nan=False)
    assert len(text) < 150_000
    again = load(Judgement, json.loads(text), "")
    assert json.dumps(dump(again)) == text
    np.testing.assert_array_equal(again.correlation.true, judged().correlation.true)


@pytest.mark.parametrize("control", ["simulator", "halves"])
def test_numbers_of_earlier_versions_stay(control: str) -> None:
    """They were written before the judge and the statistics had files of their own."""
    before = json.loads(BEFORE.read_text())[control]
    found = dump(said(white_noise.drawn((1, 16, 16), simulator=control == "simulator")))

    def same(old: object, new: object) -> None:
        np.testing.assert_allclose(np.asarray(new), np.asarray(old), rtol=1e-9, atol=1e-12)

    for key, one in before["chi_squared"].items():
        for name, value in one.items():
            same(value, found["chi_squared"]["sets"][key][name])
    difference = found["correlation"]["rms_difference"]
    for old, new in (
        *((both, found["rms_z"][name]) for name, both in before["rms_z"].items()),
        (before["difference_percent"], found["difference_percent"]),
        (before["rms_difference"], difference),
    ):
        same([old["generated"], old["control"]], [new["generated"], new["control"]])
    curves = found["examples"][0]["curves"]
    for name, z in before["z"].items():
        same(z, curves[name]["z"])
        same(before["mean"][name], curves[name]["generated"]["mean"])


def test_true_fields_of_one_box_are_judged_by_those_of_others() -> None:
    """The amplitude of each box is its own. Leaving one out sees none of that; the control does."""
    rng = np.random.default_rng(0)
    truth, drawn = white_noise.drawn((1, 16, 16))

    def boxes(count: int) -> Array:
        return np.exp(0.1 * rng.standard_normal((4, count, 1, 1, 1)))

    assert truth.control is not None
    found = said((
        replace(truth, true=truth.true * boxes(1), control=truth.control * boxes(9)),
        replace(drawn, generated=drawn.generated * boxes(12)),
    ))  # fmt: skip
    generated = found.chi_squared.sets["generated"]
    assert generated.ratio > 1.2
    assert generated.to_true > 1.2
    assert abs(generated.to_control - 1) < 3.5 * generated.to_control_se


# Fields of other shapes, and from elsewhere


@pytest.mark.parametrize("simulator", [True, False])
@pytest.mark.parametrize("shape", [(1, 16), (2, 8), (1, 8, 8), (2, 16, 16), (1, 8, 8, 8)])
def test_fields_of_any_shape(shape: tuple[int, ...], simulator: bool) -> None:
    found = said(white_noise.drawn(shape, simulator=simulator))
    json.dumps(dump(found), allow_nan=False)
    maps = len(shape) == 3
    assert bool(found.left_out) != maps
    assert ("bispectrum" in found.rms_z) == maps
    assert found.chi_squared.bins == shape[0] * (shape[1] // 2)
    assert found.k_unit == "cycles per side"
    assert len(found.examples[0].curves["power spectrum"].x) == shape[1] // 2


def test_fields_whose_sides_do_not_meet_are_judged_alike() -> None:
    found = said(white_noise.drawn((1, 16, 16), periodic=False))
    assert found.left_out == {}
    for statistic, both in found.rms_z.items():
        assert 0.6 < both.generated < 1.6, statistic


def test_numbers_are_of_all_channels() -> None:
    truth, drawn = white_noise.drawn((2, 16, 16))
    louder = drawn.generated * np.array([1, 1.5])[:, None, None]
    found, wrong = said((truth, drawn)), said((truth, replace(drawn, generated=louder)))
    for statistic in ("power spectrum", "pixel density", "Minkowski functionals", "moments"):
        assert wrong.rms_z[statistic].generated > 1.3 * found.rms_z[statistic].generated
    shown = [dump(one.examples[0])["curves"] for one in (found, wrong)]
    of_both = [name for name in shown[0] if name.endswith("channel 0 and channel 1")]
    assert len(of_both) == 2
    for curves in shown:
        for name in of_both:
            del curves[name]
    assert shown[0] == shown[1]


def test_channels_that_belong_together_are_seen_to() -> None:
    """Each channel is right by itself; what is drawn of one has nothing to do with the other."""
    truth, drawn = white_noise.drawn((2, 16, 16))
    assert truth.control is not None

    def joined(x: Array) -> Array:
        return np.concatenate([x[:, :, :1], x[:, :, :1] + 0.5 * x[:, :, 1:]], 2)

    true = replace(truth, true=joined(truth.true), control=joined(truth.control))
    fields = joined(drawn.generated)
    apart = np.concatenate([fields[:, :, :1], np.roll(fields[:, :, 1:], 1, 1)], 2)
    right, wrong = (said((true, replace(drawn, generated=x))).rms_z for x in (fields, apart))
    title = "cross-spectra and coherence"
    assert 0.7 < right[title].generated < 1.4
    assert wrong[title].generated > 5
    assert wrong[title].control == right[title].control
    np.testing.assert_allclose(wrong["moments"].generated, right["moments"].generated)


def test_without_a_simulator_true_fields_are_halved() -> None:
    found = said(white_noise.drawn((1, 8, 8), simulator=False))
    assert found.control == "halves"
    assert found.counts.control == 4
    assert found.chi_squared.sets["control"].references == 5
    assert found.response.rms_z is None
    assert set(found.response.rows) == {"generated"}
    assert found.response.parameters["a"].true == ()


def test_what_is_left_out_says_why() -> None:
    found = said(white_noise.drawn((1, 8, 8, 8)))
    assert found.left_out["bispectrum"].startswith("given boxes of 8 x 8 x 8 pixels")
    titles = {one.title for one in plugins.statistics_of(grid()).values()}
    assert set(found.left_out) | set(found.rms_z) == titles
    assert not set(found.left_out) & set(found.rms_z)


def test_what_cannot_be_compared_says_why() -> None:
    truth, drawn = white_noise.drawn((1, 8, 8))
    broken = drawn.generated.copy()
    broken[1, 2, 0, 3, 3] = np.nan
    broken[2, 2] = 1.0
    cases = {
        "2 of 66 emulated fields are constant or not finite": (
            truth, replace(drawn, generated=broken)
        ),
        "given 8 x 4 pixels; allowed: equal sides of at least 4": white_noise.drawn((1, 8, 4)),
        "given 1 x 8 x 4 values a field; allowed: 1 x 8 x 8": (
            truth, replace(drawn, generated=drawn.generated[..., :4])
        ),
    }  # fmt: skip
    for why, found in cases.items():
        assert judge(*found, found[0].true[:, 0], 0) == Unchecked(why)
