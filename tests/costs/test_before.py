"""What took so long before takes as long again, if nothing of it has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sbipipe import paths, storage
from sbipipe.config import read_params
from sbipipe.costs.before import LOCK, Before, before
from sbipipe.costs.sets import of_simulator
from sbipipe.costs.stage import STARTING
from sbipipe.costs.stages import stages
from sbipipe.interfaces import History, PosteriorDraws

COUNTS = {"train": 300, "valid": 60, "calibrate": 50, "test": 80}
STUDY: dict[str, Any] = {
    "simulate": {"v": {"kind": "linear_gaussian", "simulations": COUNTS}},
    "summarise": {"raw": {"kind": "identity", "of": "v"}},
    "train": {"exact": {"kind": "exact", "of": "v"}, "npe": {"kind": "npe", "of": "raw"}},
    "recalibrate": {"npe+levels": {"kind": "levels", "of": "npe"}},
    "draw": {"draws": 20},
}
SECONDS = {
    ("summarise", "raw"): 3.0,
    ("train", "exact"): 0.5,
    ("train", "npe"): 40.0,
    ("recalibrate", "npe+levels"): 2.0,
}


@pytest.fixture(autouse=True)
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run has left behind that concerns times."""
    monkeypatch.chdir(tmp_path)
    write(STUDY)
    lock = {
        f"{section}@{name}": {"params": {"params.yaml": {f"{section}.{name}": entry}}}
        for section in ("simulate", "summarise", "train", "recalibrate")
        for name, entry in STUDY[section].items()
    }
    LOCK.write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}))
    for (section, name), seconds in SECONDS.items():
        storage.save_history(paths.history_path(section, name), History(seconds=seconds))
    for i, name in enumerate(("exact", "npe", "npe+levels")):
        draws = replace(DRAWS, seconds=0.1 * (i + 1))
        storage.save_draws(paths.DRAWS / f"{name}.safetensors", draws)


ROW, TABLE = np.zeros(1), np.zeros((20, 1))
DRAWS = PosteriorDraws(
    parameters=("a",),
    theta=np.zeros((1, 1)),
    draws=np.zeros((20, 1, 1)),
    log_prob=TABLE,
    log_prob_truth=ROW,
    log_prior_truth=ROW,
    log_prob_controls={},
    effective_sample_size=ROW,
    prior_variance=ROW,
    seconds=0.0,
)


def write(study: dict[str, Any]) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(study, sort_keys=False))


def last() -> Before:
    path = Path("params.yaml")
    return before(read_params(path), path)


def test_every_stage_takes_as_long_as_before() -> None:
    assert last().stages({"v": 80}) == pytest.approx(
        {
            "summarise@raw": 3.0,
            "train@exact": 0.5,
            "train@npe": 40.0,
            "draw@exact": 8.0,
            "draw@npe": 16.0,
            "recalibrate@npe+levels": 2.0 + 24.0,
        }
    )


def test_nothing_is_tried_where_all_is_known() -> None:
    params = read_params()
    sets = {"v": of_simulator(params, "v", {})}
    found = {one.name: one.seconds for one in stages(params, sets, last())}
    assert found["train@npe"] == STARTING + 40.0
    assert None not in found.values()


def test_another_setting_concerns_what_is_made_of_it() -> None:
    changed = {**STUDY["train"], "npe": {**STUDY["train"]["npe"], "config": {"effort": "quick"}}}
    write({**STUDY, "train": changed})
    known = last().stages({"v": 80})
    assert set(known) == {"summarise@raw", "train@exact", "draw@exact"}


def test_other_simulations_concern_everything() -> None:
    more = {"v": {"kind": "linear_gaussian", "simulations": {**COUNTS, "train": 600}}}
    write({**STUDY, "simulate": more})
    assert last().stages({"v": 80}) == {}


def test_without_a_run_nothing_is_known() -> None:
    LOCK.unlink()
    assert last().stages({"v": 80}) == {}
