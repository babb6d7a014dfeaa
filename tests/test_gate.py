"""A posterior leaves only with its verdict, and only if it passed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import linear_run
from sbipipe import paths, project, storage
from sbipipe.config import read_params
from sbipipe.posteriors import file as posterior_file


@pytest.fixture
def run(finished, monkeypatch):
    """The run, before `publish`, with the estimator `again` narrowed on purpose."""
    monkeypatch.chdir(finished)
    linear_run.write_params(finished)
    draws = storage.load_draws(paths.DRAWS / "exact.safetensors")
    mean = draws.draws.mean(0)
    narrowed = replace(draws, draws=mean + 0.5 * (draws.draws - mean))
    storage.save_draws(paths.DRAWS / "again.safetensors", narrowed)
    linear_run.stage("diagnose")
    return finished


def test_the_exact_posterior_is_published_and_the_narrowed_one_withheld(run):
    linear_run.stage("publish")
    assert [path.name for path in paths.POSTERIORS.iterdir()] == ["exact.nc"]
    assert [path.name for path in paths.WITHHELD.iterdir()] == ["again.nc"]
    withheld = posterior_file.load(paths.WITHHELD / "again.nc").attributes
    assert (withheld["verdict"], withheld["published"]) == ("overconfident", 0)
    assert "narrow" in withheld["reasons"]
    coverage = json.loads(paths.COVERAGE.read_text())["estimators"]
    assert coverage["exact"]["published"] is True
    assert coverage["again"]["published"] is False


def test_a_published_file_says_where_it_comes_from(run):
    linear_run.stage("publish")
    content = posterior_file.load(paths.POSTERIORS / "exact.nc")
    test = project.test_rows(read_params(), "vectors")
    np.testing.assert_array_equal(content.theta, test.theta)
    np.testing.assert_array_equal(content.x, test.x)
    found = content.attributes
    assert (found["data_hash"], found["seed"], found["estimator_kind"]) == ("f00d", 3, "exact")
    assert found["observation_hash"] == posterior_file.observation_hash(test.x)
    assert found["created_by"].startswith("sbipipe ")


def test_files_of_removed_entries_and_old_verdicts_go(run):
    for folder in (paths.POSTERIORS, paths.WITHHELD):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "removed.nc").write_text("old")
    (paths.POSTERIORS / "again.nc").write_text("of an old verdict")
    linear_run.stage("publish")
    assert [path.name for path in paths.POSTERIORS.iterdir()] == ["exact.nc"]
    assert [path.name for path in paths.WITHHELD.iterdir()] == ["again.nc"]


def test_the_gate_can_end_the_run(run, capsys):
    linear_run.write_params(run, gate={"on_failure": "fail", "width_error": 0.3})
    with pytest.raises(SystemExit) as end:
        linear_run.stage("publish")
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("again: overconfident: ")
    assert (paths.WITHHELD / "again.nc").exists()


def test_estimators_are_compared_with_each_other_and_with_the_exact_posterior(run):
    linear_run.stage("compare")
    found = json.loads((paths.REPORTS / "comparison.json").read_text())
    (pair,) = found["pairs"]
    assert pair["width_ratio"] == pytest.approx(2)
    assert found["estimators"]["exact"]["kl_from_exact"] is None
    assert found["estimators"]["again"]["kl_from_exact"]["mean"] == pytest.approx(0, abs=1e-6)
    assert found["simulators"]["vectors"]["n_test"] == linear_run.COUNTS["test"]
    table = pd.read_csv(paths.REPORTS / "comparison.csv")
    assert set(table.simulator) == {"vectors"}
    assert {"c2st", "width_ratio", "log_prob_truth", "kl_from_exact"} <= set(table.quantity)
