"""Inference on an observation agrees with the run behind it, and obeys the gate."""

import json
from dataclasses import replace

import numpy as np
import pytest

import linear_run
from sbipipe import paths, project, storage
from sbipipe.config import read_params
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors import infer
from sbipipe.posteriors.chosen import chosen
from sbipipe.posteriors.remarks import remarks
from sbipipe.records import InputError


@pytest.fixture
def params(finished, monkeypatch):
    monkeypatch.chdir(finished)
    linear_run.write_params(finished)
    before = paths.COVERAGE.read_text()
    yield read_params()
    paths.COVERAGE.write_text(before)


@pytest.fixture
def observed(params, tmp_path):
    """Ten test observations."""
    path = tmp_path / "observed.npy"
    np.save(path, project.test_rows(params, "vectors").x[:10])
    return path


def unpublish(name):
    coverage = json.loads(paths.COVERAGE.read_text())
    coverage["estimators"][name] |= {
        "published": False,
        "verdict": "overconfident",
        "reasons": ["too narrow"],
    }
    paths.COVERAGE.write_text(json.dumps(coverage))


def run(params, path, name="exact", draws=2000, row=None, uncalibrated=False):
    return infer.infer(params, name, [path], draws, row, uncalibrated)


def test_it_finds_the_posteriors_of_the_run(params, observed):
    mean, width = run(params, observed).moments
    stored = storage.load_draws(paths.DRAWS / "exact.safetensors").draws[:, :10]
    error = width * np.sqrt(1 / 2000 + 1 / len(stored))
    assert (np.abs(mean - stored.mean(0)) < 5 * error).all()


def test_equal_observations_give_equal_draws(params, observed):
    first, second = run(params, observed, row=3), run(params, observed, row=3)
    np.testing.assert_array_equal(first.samples.draws, second.samples.draws)
    other = run(params, observed, row=4)
    assert (first.samples.draws != other.samples.draws).any()


def test_the_file_holds_the_verdict(params, observed, tmp_path):
    content = run(params, observed)
    posterior_file.save(tmp_path / "o.nc", content)
    loaded = posterior_file.load(tmp_path / "o.nc")
    assert loaded.attributes["verdict"] == "calibrated"
    assert loaded.attributes["uncalibrated"] == 0
    assert loaded.theta is None
    assert loaded.diagnosis == content.diagnosis
    np.testing.assert_array_equal(loaded.novelty["outside"], content.novelty["outside"])


def test_an_estimator_that_failed_its_gate_is_refused(params, observed):
    unpublish("exact")
    with pytest.raises(InputError, match=r"train\.exact: .* overconfident \(too narrow\)"):
        run(params, observed)
    content = run(params, observed, uncalibrated=True)
    assert content.attributes["uncalibrated"] == 1
    assert content.attributes["verdict"] == "overconfident"
    assert any("UNCALIBRATED" in line for line in remarks(content))


def test_an_estimator_trained_since_it_was_judged_is_refused(params, observed):
    weights = paths.ESTIMATORS / "exact.safetensors"
    before = weights.read_bytes()
    weights.write_bytes(before + b" ")
    try:
        with pytest.raises(InputError, match="the verdict is untested"):
            run(params, observed)
    finally:
        weights.write_bytes(before)


def test_an_estimator_without_diagnosis_is_refused(params, observed):
    paths.COVERAGE.unlink()
    try:
        with pytest.raises(InputError, match="the verdict is untested"):
            run(params, observed)
    finally:
        paths.COVERAGE.write_text("{}")


def test_estimators_that_exist_are_named(params, observed):
    with pytest.raises(InputError, match="--estimator: given 'nope'; allowed: exact, again"):
        run(params, observed, name="nope")


def test_an_observation_far_away_is_reported(params, observed, tmp_path):
    inside, outside = run(params, observed), tmp_path / "far.npy"
    np.save(outside, 1e3 + np.load(observed)[:1])
    assert inside.novelty["outside"].mean() < 0.5
    far = run(params, outside)
    assert far.novelty["outside"].all()
    assert any("lie outside the training set" in line for line in remarks(far))


def test_draws_at_the_edge_of_the_prior_are_named(params, observed):
    content = run(params, observed)
    assert not any("outermost" in line for line in remarks(content))
    top = content.prior.max(0)
    draws = content.samples.draws.copy()
    draws[..., 1] = top[1]
    edge = replace(content, samples=replace(content.samples, draws=draws))
    lines = [line for line in remarks(edge) if "outermost 1% of the prior" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"{content.parameters[1]}: ")


def test_an_observation_of_another_shape_is_refused(params, tmp_path):
    np.save(tmp_path / "long.npy", np.zeros(77))
    with pytest.raises(InputError, match=r"long\.npy: given shape \(77,\); allowed: "):
        run(params, tmp_path / "long.npy")


def test_a_prior_in_another_order_is_refused(params, observed):
    path = paths.SETS / "vectors/set.json"
    about = json.loads(path.read_text())
    storage.save_json(path, {**about, "parameters": about["parameters"][::-1]})
    try:
        with pytest.raises(InputError, match=r"simulate\.vectors: given parameters"):
            run(params, observed)
    finally:
        storage.save_json(path, about)


def test_several_files_are_one_run(params, observed, tmp_path):
    x = np.load(observed)
    np.savetxt(tmp_path / "one.csv", x[3:4], delimiter=",")
    content = infer.infer(params, "exact", [observed, tmp_path / "one.csv"], 200, None, False)
    names = [f"observed.npy[{b}]" for b in range(10)]
    assert content.attributes["observations"] == [*names, "one.csv"]
    np.testing.assert_array_equal(content.x[3], content.x[10])


def test_a_portrait_has_every_published_estimator(params, observed):
    content = run(params, observed, row=2)
    found = infer.portrait(params, content)
    assert list(found.files) == ["exact", "again"]
    assert found.files["exact"] is content
    assert found.names == ("observed.npy[2]",)
    assert all(len(one) == 1 for one in found.nearby.values())
    unpublish("again")
    assert list(infer.portrait(params, content).files) == ["exact"]


def test_every_set_is_read_once_for_all_that_is_asked(params, observed, monkeypatch):
    read, measured = [], infer._measure
    monkeypatch.setattr(infer, "_measure", lambda p, of: read.append(of) or measured(p, of))
    around = infer.Surroundings(params=params)
    content = infer.infer(params, "exact", [observed], 50, 2, False, around)
    found = infer.portrait(params, content, around)
    assert read == ["vectors"]
    for file in found.files.values():
        np.testing.assert_array_equal(file.novelty["outside"], content.novelty["outside"])


def test_nobody_named_means_the_one_that_says_most(params):
    coverage = json.loads(paths.COVERAGE.read_text())
    coverage["estimators"]["again"]["gain"]["nats"]["mean"] += 1.0
    paths.COVERAGE.write_text(json.dumps(coverage))
    assert chosen(params, None) == "again"
    assert chosen(params, "exact") == "exact"
    unpublish("again")
    assert chosen(params, None) == "exact"
    unpublish("exact")
    with pytest.raises(InputError, match=r"--estimator: given none; .* none of them is published"):
        chosen(params, None)
