"""The stages `emulate` and `validate_emulator`, with and without an emulator."""

from __future__ import annotations

import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from sbipipe.emulation.held_out import Emulated

import linear_run
from lognormal_emulator import LognormalEmulator, held_out, write_set
from sbipipe import project, storage
from sbipipe.emulation import held_out as emulated
from sbipipe.interfaces import SPLITS

COUNTS = dict.fromkeys(SPLITS, 60)
PARAMS = {
    "seed": 3,
    "runtime": {"device": "cpu", "workers": 1},
    "simulate": {
        "maps": {"kind": "lognormal", "simulations": COUNTS, "config": {"pixels": 16}},
    },
    "summarise": {"raw": {"kind": "identity", "of": "maps"}},
    "train": {
        "mine": {"kind": "exact", "of": "maps"},
        "exact": {"kind": "exact", "of": "maps"},
        "vectors": {"kind": "nre", "of": "raw"},
    },
    "diagnose": {"sbc": {"kind": "sbc"}},
    "draw": {},
    "gate": {},
}


def run() -> dict[str, Any]:
    linear_run.stage("emulate")
    linear_run.stage("validate_emulator")
    found: dict[str, Any] = storage.load_json(project.EMULATION)["emulators"]
    return found


def test_without_an_emulator_both_are_quick_and_write_nothing_else(linear_folder: Path) -> None:
    with chdir(linear_folder):
        project.EMULATIONS.mkdir(parents=True, exist_ok=True)
        (project.EMULATIONS / "removed.safetensors").touch()
        start = time.perf_counter()
        assert run() == {}
        assert time.perf_counter() - start < 20
        assert list(project.EMULATIONS.iterdir()) == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose entries `mine` and `vectors` are emulators."""
    monkeypatch.chdir(tmp_path)
    write_set(PARAMS, dict.fromkeys(SPLITS, held_out()))

    def posterior(params: object, name: str) -> object:
        return object() if name == "exact" else LognormalEmulator()

    monkeypatch.setattr(project, "posterior", posterior)
    return tmp_path


def test_emulators_are_found_and_checked(folder: Path) -> None:
    found = run()
    assert list(found) == ["mine"]
    assert found["mine"]["counts"]["theta"] == 10
    drawn = emulated.load(project.emulation_path("mine"))
    assert isinstance(drawn, Emulated)
    assert drawn.simulator == "maps"
    assert not project.emulation_path("vectors").exists()


def test_equal_seeds_give_equal_files(folder: Path) -> None:
    paths = (project.emulation_path("mine"), project.EMULATION)
    run()
    before = [path.read_bytes() for path in paths]
    run()
    assert [path.read_bytes() for path in paths] == before
