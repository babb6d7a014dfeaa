"""Advice follows from what is known, and from nothing else."""

from contextlib import chdir
from dataclasses import replace

import numpy as np
import pytest

from sbipipe import paths, storage
from sbipipe.budgets.curve import budget
from sbipipe.config import Emulate, Recalibrate, read_params
from sbipipe.gate.verdict import Verdicts
from sbipipe.interfaces import History
from sbipipe.records import load
from sbipipe.results.advice import FAR, Known, advice, behind, falling, farthest, gap, remarks


@pytest.fixture
def known(run_folder):
    """The finished run, in which `nre` is too narrow and `exact` is published."""
    with chdir(run_folder):
        found = load(Verdicts, storage.load_json(paths.COVERAGE), paths.COVERAGE)
        outcome = {"verdict": "calibrated", "published": True}
        exact = replace(found.estimators["exact"], **outcome)
        yield Known(read_params(), {**found.estimators, "exact": exact})


def curves(valid, train=None):
    epochs = tuple(range(1, len(valid) + 1))
    kept = int(np.argmin(valid)) + 1
    curve = {"epoch": epochs, "train": tuple(valid if train is None else train), "valid": valid}
    return History(curves={"net": curve}, chosen={"net": kept})


def write(section, entry, history):
    path = paths.history_path(section, entry)
    before = path.read_bytes()
    storage.save_history(path, history)
    return path, before


def test_a_loss_falls_still_only_if_its_best_epoch_is_among_the_last():
    epochs = np.arange(40.0)
    assert falling(tuple(3 - 0.1 * epochs)) == pytest.approx(1.0)
    assert falling(tuple(np.exp(-epochs))) == 0
    assert falling(tuple(np.abs(epochs - 30))) == 0
    assert falling((1.0,)) == 0


def test_the_gap_is_that_of_the_weights_that_were_kept():
    history = curves((3.0, 2.0, 2.5), (3.1, 1.6, 0.1))
    assert gap(history) == pytest.approx(0.4)
    assert gap(History()) == 0


def test_the_farthest_pixel_is_measured_in_its_own_channel():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 2, 16, 16)) * np.array([1.0, 1e6])[:, None, None]
    assert 3 < farthest(x) < 7
    x[3, 0, 2, 2] = 1000.0
    assert farthest(x) > FAR
    assert farthest(np.ones((4, 1, 8))) == 0


def test_all_networks_behind_an_estimator_are_known(known):
    made = {"mended": Recalibrate(kind="tempered", of="nre")}
    params = replace(known.params, recalibrate=made)
    networks = [("train", "nre"), ("summarise", "vectors")]
    assert list(behind(params, "nre")) == networks
    assert list(behind(params, "mended")) == networks


def test_what_is_published_needs_no_advice(known):
    assert advice(known, "exact") == ()


def test_a_published_posterior_behind_an_unfinished_network_is_told_so(known):
    falls = curves(tuple(3 - 0.05 * np.arange(30)))
    path, before = write("summarise", "vectors", falls)
    try:
        published = replace(known.verdicts["nre"], published=True, verdict="calibrated")
        found = Known(known.params, {**known.verdicts, "nre": published})
        (one,) = remarks(found, "nre")
        assert advice(found, "nre") == ()
        assert remarks(known, "nre") == ()
    finally:
        path.write_bytes(before)
    assert "vectors stopped at epoch 30, its validation loss still falling" in one.found
    (line,) = replace(published, remarks=(one,)).sharper
    assert line.startswith("it might be sharper: vectors stopped at epoch 30")


@pytest.mark.parametrize(("failed", "first"), [(0.5, True), (0.01, False)])
def test_surfaces_that_are_too_sharp_want_a_higher_degree(known, failed, first):
    verdict = known.verdicts["nre"]
    lost = replace(verdict, failed=int(failed * verdict.n_test))
    emulate = {"vectors": Emulate(kind="flow", of=next(iter(known.params.simulate)))}
    params = replace(known.params, emulate=emulate, summarise={})
    path = paths.history_path("emulate", "vectors")
    storage.save_history(path, History())
    try:
        (found, *_) = advice(Known(params, {**known.verdicts, "nre": lost}), "nre")
    finally:
        path.unlink()
    assert ("too sharp" in found.found) == first
    assert ("a higher degree in emulate.vectors.config" in found.do) == first


def test_the_recalibration_that_is_missing_is_written_down(known):
    given = advice(known, "nre")
    assert any(
        one.do == "recalibrate: {nre+tempered: {kind: tempered, of: nre}}"
        and "simulate.cdm.simulations.calibrate" in one.found
        for one in given
    )
    assert any(one.do == "sbipipe infer --estimator exact" for one in given)


def test_a_shape_that_is_wrong_by_region_wants_a_power_and_any_other_a_map_of_levels(known):
    verdict = replace(known.verdicts["nre"], verdict="misshapen")
    key = next(key for key, test in verdict.tests.items() if "regional" in test.numbers)

    def kind(**numbers):
        test = replace(verdict.tests[key], passed=False, numbers=numbers)
        found = replace(verdict, tests={key: test})
        given = advice(Known(known.params, {**known.verdicts, "nre": found}), "nre")
        return next(one.do for one in given if one.do.startswith("recalibrate"))

    there = {"regional": 6.0, "throughout": 2.0, "width_there": -6.0}
    assert "kind: tempered" in kind(**there)
    assert "kind: levels" in kind(**{**there, "width_there": 0.0})
    assert "kind: levels" in kind(**{**there, "throughout": 7.0})


def test_a_recalibration_that_passes_comes_first_and_one_that_failed_is_not_named_again(known):
    params = replace(
        known.params, recalibrate={"nre+tempered": Recalibrate(kind="tempered", of="nre")}
    )
    passed = {**known.verdicts, "nre+tempered": known.verdicts["exact"]}
    first = advice(Known(params, passed), "nre")[0]
    assert first.do == "sbipipe infer --estimator nre+tempered"
    failed = {**known.verdicts, "nre+tempered": known.verdicts["nre"]}
    assert not any("tempered" in one.do for one in advice(Known(params, failed), "nre"))


@pytest.mark.parametrize(
    ("history", "do", "words"),
    [
        (curves(tuple(3 - 0.1 * np.arange(30.0))), "train.nre.config.optimisation.steps: 80000",
         "nre stopped at epoch 30, its validation loss still falling"),
        (curves((2.0, 1.0, 1.5), (2.0, 0.8, 0.1)), "simulate.cdm.simulations.train: 3200",
         "3200 simulations would bring that to about 0.05"),
        (curves((2.0, 1.0, 1.5), (2.0, -0.8, 0.1)), "simulate.cdm.simulations.train: 8000",
         "it takes more than 10 times as many"),
    ],
)  # fmt: skip
def test_learning_curves_say_what_is_lacking(known, history, do, words):
    path, before = write("train", "nre", history)
    try:
        given = advice(known, "nre")
    finally:
        path.write_bytes(before)
    assert any(one.do == do and words in one.found for one in given), given


def test_a_learning_curve_says_how_many_more_simulations_gain_what(known):
    """It takes the place of the guess from the gap between training and validation."""
    verdicts = {**known.verdicts, "npe": known.verdicts["nre"]}
    path, before = write("train", "npe", curves((2.0, 1.0, 1.5), (2.0, 0.8, 0.1)))
    try:
        given = advice(Known(known.params, verdicts), "npe")
    finally:
        path.write_bytes(before)
    (one,) = [a for a in given if "npe would gain" in a.found]
    assert one.do.startswith("simulate.cdm.simulations.train: ")
    count = int(one.do.rpartition(" ")[2])
    gain, error = known.budgets["npe"].law.gain(count / 800)
    assert f"npe would gain {gain:.2f} ± {error:.2f} nats from {count} simulations" in one.found
    assert not any("npe fits what it was trained on better" in a.found for a in given)


def test_a_curve_that_is_flat_asks_for_nothing(known, monkeypatch):
    verdicts = {**known.verdicts, "npe": known.verdicts["nre"]}
    flat = budget(
        "npe", (0.25, 0.5, 1.0), (200, 400, 800), [np.ones(50) + 0.001 * np.arange(50)] * 3,
        [History()] * 3,
    )  # fmt: skip
    found = Known(known.params, verdicts)
    monkeypatch.setitem(vars(found), "budgets", {"npe": flat})
    path, before = write("train", "npe", curves((2.0, 1.0, 1.5), (2.0, -0.8, 0.1)))
    try:
        given = advice(found, "npe")
    finally:
        path.write_bytes(before)
    assert not any("npe" in a.found and "simulations.train" in a.do for a in given)


def test_too_few_test_simulations_are_counted(known):
    few = replace(
        known.verdicts["nle"],
        verdict="inconclusive",
        published=False,
        power=replace(known.verdicts["nle"].power, narrow=0.27, wide=0.31),
    )
    given = advice(Known(known.params, {**known.verdicts, "nle": few}), "nle")
    assert given[0].do.startswith("simulate.cdm.simulations.test: ")
    assert int(given[0].do.rpartition(" ")[2]) > few.n_test
    assert given[1].do == "gate.width_error: 0.31"
