"""The stage `train` mends an estimator that asks for it on `calibrate` alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import linear_run
from lognormal_emulator import held_out, write_set
from sbipipe import plugins, project
from sbipipe.config import read_params
from sbipipe.interfaces import SPLITS, Recalibrates

ROWS = held_out(240)
PARTS = {split: slice(60 * i, 60 * (i + 1)) for i, split in enumerate(SPLITS)}
LINEAR = {"conditioning": "linear", "temper": True}
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
    "train": {"linear+tempered": {"kind": "diffusion", "of": "maps", "config": LINEAR}},
    "diagnose": {"sbc": {"kind": "sbc"}},
    "draw": {},
    "gate": {},
}


def lay_out(calibrate: slice) -> None:
    """The set `maps`, with these rows to recalibrate on."""
    parts = {**PARTS, "calibrate": calibrate}
    write_set(PARAMS, {split: ROWS.rows(part) for split, part in parts.items()})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_strength_is_that_of_calibrate() -> None:
    lay_out(PARTS["calibrate"])
    linear_run.stage("train", "linear+tempered")
    params = read_params()
    estimator = plugins.estimator(params, "linear+tempered")
    assert isinstance(estimator, Recalibrates)
    trained = project.posterior(params, "linear+tempered")
    again, notes = estimator.recalibrate(trained, ROWS.rows(PARTS["calibrate"]))
    other, _ = estimator.recalibrate(trained, ROWS.rows(PARTS["valid"]))
    np.testing.assert_array_equal(again.weights.arrays["strength"], [notes["strength"]])
    assert trained.weights.arrays["strength"] == pytest.approx(notes["strength"])
    assert other.weights.arrays["strength"] != pytest.approx(notes["strength"])
    history = json.loads(project.history_path("train", "linear+tempered").read_text())
    assert history["notes"]["strength"] == pytest.approx(notes["strength"])


def test_without_rows_for_it_nothing_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out(slice(0, 0))
    with pytest.raises(SystemExit, match="2"):
        linear_run.stage("train", "linear+tempered")
    line = "simulate.maps.simulations.calibrate: given 0; allowed with train.linear+tempered."
    assert capsys.readouterr().err.startswith(line)
    assert not project.ESTIMATORS.exists()
