"""Estimators and their tests are those of the files that the gate and the comparison wrote."""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path

import pytest

from sbipipe import storage
from sbipipe.records import InputError, dump
from sbipipe.results import run as results
from sbipipe.results.run import Results


def test_estimators_come_in_the_order_of_params(run_results: Results) -> None:
    assert [e.name for e in run_results.estimators] == ["npe", "nle", "nre", "exact"]
    assert run_results.exact == ("exact",)
    assert run_results.sharing == {"cdm": ("npe", "nle", "nre", "exact")}


def test_verdicts_are_those_of_coverage_json(run_folder: Path, run_results: Results) -> None:
    entries = storage.load_json(run_folder / "reports/coverage.json")["estimators"]
    for e in run_results.estimators:
        assert dump(e.verdict) == entries[e.name]
        folder = "posteriors" if entries[e.name]["published"] else "withheld"
        assert e.file == f"{folder}/{e.name}.nc"
        assert e.min_p_adjusted == min(t["p_adjusted"] for t in entries[e.name]["tests"].values())
        numbers = entries[e.name]["tests"]["coverage.hpd"]["numbers"]
        assert e.coverage_68 == numbers["coverage_0.68"]


def test_each_test_gathers_all_estimators(run_results: Results) -> None:
    keys = [
        "sbc.omega_m",
        "sbc.sigma_8",
        "sbc.log_prob",
        "sbc.spread",
        "sbc.pairs",
        "coverage.hpd",
        "tarp.tarp",
        "regions.regions",
    ]
    assert [test.key for test in run_results.tests] == keys
    assert all(list(t.results) == ["npe", "nle", "nre", "exact"] for t in run_results.tests)
    assert all((t.diagnostic, t.test) == tuple(t.key.split(".")) for t in run_results.tests)


@pytest.fixture
def copy(run_folder: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be spoiled."""
    shutil.copytree(run_folder, tmp_path / "run")
    return tmp_path / "run"


def test_an_estimator_that_a_file_lacks_is_named(copy: Path) -> None:
    for name in ("coverage", "comparison"):
        path = copy / f"reports/{name}.json"
        content = storage.load_json(path)
        del content["estimators"]["nle"]
        storage.save_json(path, content)
    with chdir(copy), pytest.raises(InputError) as error:
        results.read()
    assert error.value.problems == (
        "reports/coverage.json: estimators.nle: missing",
        "reports/comparison.json: estimators.nle: missing",
    )


def test_a_wrong_value_is_named_with_its_key(copy: Path) -> None:
    path = copy / "reports/coverage.json"
    content = storage.load_json(path)
    content["estimators"]["npe"]["verdict"] = "fine"
    content["estimators"]["npe"]["tests"]["sbc.omega_m"]["passed"] = "yes"
    storage.save_json(path, content)
    with chdir(copy), pytest.raises(InputError) as error:
        results.read()
    verdict, passed = error.value.problems
    where = "reports/coverage.json: estimators.npe"
    assert verdict.startswith(f"{where}.verdict: given \"fine\"; input should be 'calibrated', ")
    assert passed.startswith(f'{where}.tests.sbc.omega_m.passed: given "yes"; ')
