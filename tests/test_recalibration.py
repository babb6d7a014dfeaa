"""The stage `recalibrate` mends an estimator on `calibrate` alone, and does not train it again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import linear_run
from lognormal_emulator import held_out, write_set
from sbipipe import check, paths, plugins, project, storage
from sbipipe.config import read_params
from sbipipe.interfaces import SPLITS, Run
from sbipipe.seeds import number

ROWS = held_out(240)
PARTS = {split: slice(60 * i, 60 * (i + 1)) for i, split in enumerate(SPLITS)}
PARAMS = {
    "seed": 3,
    "runtime": {"device": "cpu", "workers": 1},
    "simulate": {
        "maps": {
            "kind": "lognormal",
            "simulations": dict.fromkeys(SPLITS, 60),
            "config": {"pixels": 16},
        }
    },
    "summarise": {},
    "emulate": {},
    "join": {},
    "train": {"exact": {"kind": "exact", "of": "maps"}},
    "recalibrate": {"exact+tempered": {"kind": "tempered", "of": "exact"}},
    "draw": {"draws": 200},
    "diagnose": {kind: {"kind": kind} for kind in ("sbc", "coverage", "tarp", "regions")},
    "gate": {"fewest_draws": 20},
}
NAME = "exact+tempered"


def lay_out(calibrate: slice) -> None:
    """The set `maps`, with these rows to recalibrate on."""
    parts = {**PARTS, "calibrate": calibrate}
    write_set(PARAMS, {split: ROWS.rows(part) for split, part in parts.items()})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_strength_is_that_of_calibrate_and_the_raw_one_stands_beside_it() -> None:
    lay_out(PARTS["calibrate"])
    linear_run.stage("train", "exact")
    linear_run.stage("draw", "exact")
    raw = storage.file_hash(paths.ESTIMATORS / "exact.safetensors")
    linear_run.stage("recalibrate", NAME)
    assert storage.file_hash(paths.ESTIMATORS / "exact.safetensors") == raw

    params = read_params()
    of, prior = project.posterior(params, "exact"), plugins.prior_of(params, "maps")
    kind, seed = plugins.recalibration(params, NAME), number(params.seed, "recalibrate", NAME)
    again, _ = kind.fit(of, ROWS.rows(PARTS["calibrate"]), prior, Run(seed=seed))
    other, _ = kind.fit(of, ROWS.rows(PARTS["valid"]), prior, Run(seed=seed))
    strength = project.posterior(params, NAME).weights.arrays["strength"]
    np.testing.assert_array_equal(strength, again.weights.arrays["strength"])
    assert strength != pytest.approx(other.weights.arrays["strength"])
    assert strength == pytest.approx(1, abs=0.4)
    notes = json.loads(paths.history_path("recalibrate", NAME).read_text())["notes"]
    assert notes["strength"] == pytest.approx(float(strength[0]))

    linear_run.stage("diagnose")
    linear_run.stage("publish")
    found = storage.load_json(paths.COVERAGE)["estimators"]
    assert list(found) == ["exact", NAME]


def test_without_rows_for_it_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out(slice(0, 0))
    linear_run.stage("train", "exact")
    with pytest.raises(SystemExit, match="2"):
        linear_run.stage("recalibrate", NAME)
    line = "simulate.maps.simulations.calibrate: given 0; allowed with recalibrate.exact+tempered:"
    assert capsys.readouterr().err.startswith(line)
    assert not (paths.ESTIMATORS / f"{NAME}.safetensors").exists()


def test_check_names_it_beforehand() -> None:
    counts = {**dict.fromkeys(SPLITS, 60), "calibrate": 0}
    maps = {**PARAMS["simulate"]["maps"], "simulations": counts}
    linear_run.write_params(Path(), **{**PARAMS, "simulate": {"maps": maps}})
    (line,) = check.check().problems
    assert line.startswith("simulate.maps.simulations.calibrate: given 0")


REWEIGHTED = {
    **linear_run.PARAMS,
    "draw": {"draws": 50},
    "train": {
        "exact": {"kind": "exact", "of": "vectors"},
        "tiny": {
            "kind": "npe",
            "of": "raw",
            "config": {
                "density": "zuko_maf",
                "hidden": 8,
                "transforms": 1,
                "ensemble": 1,
                "optimisation": {"steps": 100, "batch": 64},
            },
        },
    },
    "recalibrate": {
        "tiny+exact": {"kind": "reweighted", "of": "tiny", "target": "exact"},
    },
}


@pytest.fixture
def reweighted() -> None:
    """An NPE of a summary, and the exact posterior of what it is made of, trained."""
    linear_run.write_params(Path(), **REWEIGHTED)
    linear_run.simulate()
    linear_run.stage("summarise", "raw")
    for name in REWEIGHTED["train"]:
        linear_run.stage("train", name)


@pytest.mark.usefixtures("reweighted")
def test_draws_of_one_set_are_weighted_towards_a_posterior_of_another() -> None:
    """The estimator reads its simulator's rows, and its density is the target's."""
    name = "tiny+exact"
    linear_run.stage("draw", "exact")
    linear_run.stage("recalibrate", name)
    params = read_params()
    assert params.set_of(name) == "vectors"
    exact, found = (
        storage.load_draws(paths.DRAWS / f"{one}.safetensors") for one in ("exact", name)
    )
    kept = ~found.failed
    assert kept.mean() > 0.9
    difference = (found.log_prob_truth - exact.log_prob_truth)[kept]
    assert np.abs(difference).mean() < 0.1
    assert (found.figures["pareto_k"][kept] <= 0.7).all()
    assert np.isfinite(found.figures["log_evidence"][kept]).all()
    notes = storage.load_history(paths.history_path("recalibrate", name)).notes
    assert notes["share_refused"] < 0.1
    assert notes["nats_gained"] is not None


@pytest.mark.usefixtures("reweighted")
def test_its_weights_change_with_those_of_either_estimator() -> None:
    def stamped() -> str:
        linear_run.stage("recalibrate", "tiny+exact")
        return storage.file_hash(paths.weights_path("tiny+exact"))

    first = stamped()
    assert stamped() == first
    seen = {first}
    for name in ("exact", "tiny"):
        path = paths.weights_path(name)
        weights = storage.load_weights(path)
        storage.save_weights(path, replace(weights, meta={**weights.meta, "made_from": name}))
        seen.add(stamped())
    assert len(seen) == 3


@pytest.mark.usefixtures("reweighted")
def test_what_is_not_refused_beforehand_is_refused_by_the_stage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry = {"kind": "reweighted", "of": "tiny", "target": "tiny"}
    linear_run.write_params(Path(), **{**REWEIGHTED, "recalibrate": {"it": entry}})
    with pytest.raises(SystemExit, match="2"):
        linear_run.stage("recalibrate", "it")
    assert capsys.readouterr().err == "recalibrate.it.target: given 'tiny'; allowed: exact\n"
