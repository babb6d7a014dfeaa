"""A finished run is opened from anywhere, and gives what its stages gave."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

import sbipipe
from sbipipe import paths, project, storage
from sbipipe.config import read_params
from sbipipe.records import InputError


def test_a_run_gives_the_posteriors_of_its_stages(
    linear_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chdir(linear_folder):
        x = project.test_rows(read_params(), "vectors").x[:10]
        stored = storage.load_draws(paths.DRAWS / "exact.safetensors").draws[:, :10]
    monkeypatch.chdir(tmp_path)
    study = sbipipe.open(linear_folder)
    assert study.published == ("exact", "again")
    assert study.verdicts["exact"].verdict == "calibrated"
    drawn = study.posterior("exact").at(x).sample(2000)
    error = drawn.draws.std(0) * np.sqrt(1 / 2000 + 1 / len(stored))
    assert (np.abs(drawn.draws.mean(0) - stored.mean(0)) < 5 * error).all()
    assert drawn.file.attributes["estimator_kind"] == "exact"
    assert len(drawn.outside) == 10
    assert Path.cwd() == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_is_refused(linear_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no params\.yaml"):
        sbipipe.open(tmp_path)
    with pytest.raises(InputError, match="simulator: given nope; allowed: vectors"):
        sbipipe.open(linear_folder, "nope")
