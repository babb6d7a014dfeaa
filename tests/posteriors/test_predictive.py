"""Data of the model are seldom called strange, and data of another one are."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import linear_run
from sbipipe import paths, plugins, project, storage
from sbipipe.config import Emulate, read_params
from sbipipe.interfaces import Vectors
from sbipipe.posteriors import infer, predictive
from sbipipe.posteriors.predicted import compare

NAMES = ("a", "b", "c")


def vectors(n, seed, length=3):
    rng = np.random.default_rng(seed)
    mixed = np.eye(length) + 0.5
    return rng.standard_normal((n, length)) @ mixed


def test_p_is_uniform_where_the_observation_is_one_of_them():
    """Each of M + 1 exchangeable vectors has p <= a with probability a, at most."""
    found = [
        compare(NAMES, rows[1:], rows[0]).p_value for rows in map(vectors, [60] * 200, range(200))
    ]
    assert sum(p <= 0.1 for p in found) <= stats.binom.ppf(0.999, 200, 0.1)
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_an_observation_that_only_the_covariance_tells_apart_is_seen():
    rows = vectors(200, 0)
    strange = np.array([2.0, -2.0, 0.0]) * rows.std(0)
    assert compare(NAMES, rows, strange).p_value < 0.02
    assert compare(NAMES, rows, rows.mean(0)).p_value > 0.9


def test_more_components_than_simulations():
    rows = vectors(40, 0, length=30)
    names = tuple(f"x{i}" for i in range(30))
    found = compare(names, rows[1:], rows[0])
    assert len(found.components) == 24
    assert 0 < found.p_value <= 1
    assert compare(names, rows, 20 * rows.std(0)).p_value == pytest.approx(1 / 41)


def test_what_does_not_vary_is_left_out():
    rows = vectors(40, 0) * [1, 0, 1]
    assert compare(NAMES, rows[1:], rows[0]).components == ("a", "c")
    assert "does not vary" in compare(NAMES, 0 * rows, 0 * rows[0])


def test_the_simulator_of_the_run_is_asked(finished, monkeypatch, tmp_path):
    monkeypatch.chdir(finished)
    params = read_params()
    x = project.test_rows(params, "vectors").x[:2]
    np.save(tmp_path / "o.npy", np.concatenate([x, 50 + x[:1]]))
    content = infer.infer(params, "exact", [tmp_path / "o.npy"], 200, None, False)
    *usual, strange = predictive.predict(params, content, 3, 60)
    assert all(one.p_value > 0.01 for one in usual)
    assert strange.p_value == pytest.approx(1 / 61)
    assert usual[0].simulated.shape == (60, len(x[0]))
    np.testing.assert_allclose(usual[0].below, (usual[0].simulated < usual[0].observed).mean(0))


def test_simulations_made_elsewhere_cannot_be_made_again(finished, monkeypatch, tmp_path):
    monkeypatch.chdir(finished)
    np.save(tmp_path / "o.npy", project.test_rows(read_params(), "vectors").x[:1])
    content = infer.infer(read_params(), "exact", [tmp_path / "o.npy"], 50, None, False)
    prior = {"theta_0": {"kind": "normal", "loc": 0.0, "scale": 1.0}}
    config = {"path": "mine.npz", "prior": prior}
    linear_run.write_params(finished, simulate={"vectors": {"kind": "arrays", "config": config}})
    try:
        (found,) = predictive.predict(read_params(), content, 1, 60)
    finally:
        linear_run.write_params(finished)
    assert found.startswith("simulations of kind arrays were made elsewhere")


def test_an_emulator_draws_where_simulations_were_made_elsewhere(finished, monkeypatch, tmp_path):
    monkeypatch.chdir(finished)
    params = read_params()
    simulator = plugins.simulator(params, "vectors")
    np.save(tmp_path / "o.npy", project.test_rows(params, "vectors").x[:1])
    content = infer.infer(params, "exact", [tmp_path / "o.npy"], 200, None, False)
    monkeypatch.setattr(plugins, "simulator", lambda *given: object())
    (refused,) = predictive.predict(params, content, 1, 60)
    assert "an emulator of whole fields (emulate:) would draw them" in refused
    emulator = SimpleNamespace(data=Vectors(components=("a",) * 6), draw=simulator.simulate)
    monkeypatch.setattr(project, "emulator", lambda *given: emulator)
    paths.EMULATORS.mkdir(exist_ok=True)
    (paths.EMULATORS / "model.safetensors").touch()
    params = replace(params, emulate={"model": Emulate(kind="diffusion", of="vectors")})
    (coarser,) = predictive.predict(params, content, 1, 60)
    assert coarser == refused
    emulator.data = storage.open_set(paths.SETS / "vectors").data
    (usual,) = predictive.predict(params, content, 1, 60)
    assert usual.made == "fields drawn by model"
    assert usual.p_value > 0.01
