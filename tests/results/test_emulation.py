"""An emulator is read as it was judged."""

from __future__ import annotations

import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sbipipe import paths, storage
from sbipipe.config import read_params
from sbipipe.emulation import emulated, truth
from sbipipe.results import emulation as emulation_results
from sbipipe.results.run import Results


def test_an_emulator_is_read_with_its_maps(run_folder: Path, run_results: Results) -> None:
    (found,) = run_results.emulations
    judgement = found.judgement
    assert (found.name, judgement.simulator, judgement.control) == ("model", "cdm", "simulations")
    params = read_params(run_folder / "params.yaml")
    with chdir(run_folder):
        entry = emulation_results.judgements(params)["model"]
        true = truth.load(paths.truth_path(params.simulator_of("model")))
        drawn = emulated.load(paths.emulation_path("model"))
    assert isinstance(true, truth.Truth)
    assert isinstance(drawn, emulated.Drawn)
    generated = entry["chi_squared"]["sets"]["generated"]
    assert judgement.chi_squared.sets["generated"].ratio == generated["ratio"]
    for example, maps in zip(judgement.examples, found.maps, strict=True):
        np.testing.assert_array_equal(example.theta, true.theta[example.row])
        np.testing.assert_array_equal(maps.true, true.true[example.row, :2, 0])
        np.testing.assert_array_equal(maps.generated, drawn.generated[example.row, :2, 0])
    assert list(judgement.response.parameters) == ["omega_m", "sigma_8"]
    assert len(found.headlines) == 8 + len(judgement.rms_z)
    assert run_results.unchecked == {}


def test_how_well_a_spectrum_is_predicted_is_read_off_the_history(
    run_folder: Path, run_results: Results, tmp_path: Path
) -> None:
    assert run_results.emulations[0].spectrum == {}
    with chdir(shutil.copytree(run_folder, tmp_path / "run")):
        path = paths.history_path("emulate", "model")
        notes = {"spectrum": {"covered_68": 0.7}}
        storage.save_history(path, replace(storage.load_history(path), notes=notes))
        (found,), _ = emulation_results.read(read_params(), {"model": {}})
    assert found.spectrum == notes["spectrum"]


@pytest.mark.parametrize(
    ("shape", "image"), [((2, 8), (8,)), ((1, 8, 8), (8, 8)), ((1, 8, 8, 8), (8, 8))]
)
def test_emulated_fields_become_images(shape: tuple[int, ...], image: tuple[int, ...]) -> None:
    assert emulation_results.images(np.zeros((2, *shape))).shape == (2, *image)
