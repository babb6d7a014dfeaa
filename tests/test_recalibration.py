"""The stage `recalibrate` mends an estimator on `calibrate` alone, and does not train it again."""

from __future__ import annotations

import json
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
    "gate": {},
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
    of, prior = project.posterior(params, "exact"), project.prior_of(params, "maps")
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
