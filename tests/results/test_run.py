"""What is read equals what was left behind."""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path

import pytest

import finished_run
from sbipipe import paths
from sbipipe.records import InputError
from sbipipe.results import run as results
from sbipipe.results.run import Results


def test_entries_removed_from_params_are_no_part_of_the_run(
    run_folder: Path, run_results: Results
) -> None:
    stale = run_folder / "data/draws/old.safetensors"
    shutil.copy(run_folder / "data/draws/npe.safetensors", stale)
    with chdir(run_folder):
        assert [e.name for e in results.read().estimators] == [
            e.name for e in run_results.estimators
        ]
    stale.unlink()


def test_a_missing_file_is_named(run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    (copy / "reports/coverage.json").unlink()
    with chdir(copy), pytest.raises(InputError, match=r"coverage\.json: no such file"):
        results.read()


def test_a_run_of_vectors_with_one_estimator(tmp_path: Path) -> None:
    with chdir(tmp_path):
        finished_run.write(
            Path(), dimension=1, widths={"npe": 1.0}, as_fields=False, simulations=40, draws=60
        )
        found = results.read()
    assert found.pairs == ()
    assert found.estimators[0].performance.kl_from_exact is None
    assert found.suites[0].example_fields is None
    assert found.suites[0].spectra is None
    assert found.components[0].set == "cdm"
    assert found.emulations == ()
    assert Path("reports") == paths.REPORTS
