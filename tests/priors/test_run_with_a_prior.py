"""A run whose parameters are correlated, conditional, fixed and a nuisance, end to end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import arviz
import numpy as np
import pytest
from scipy import integrate

import linear_run
import sbipipe
from sbipipe import paths, plugins, project, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import Array
from sbipipe.pages import observation
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors import infer, predictive
from sbipipe.posteriors.file_comparison import compare_files
from sbipipe.protocols import HasLikelihood
from sbipipe.records import InputError

PRIOR = {
    "c": {"kind": "uniform", "low": -1.0, "high": "a + 4"},
    "a, b": {"kind": "multivariate_normal", "mean": [0.0, 0.0], "sd": [1.0, 0.7],
             "correlation": 0.6, "nuisance": ["b"]},
    "d": {"kind": "fixed", "value": 0.7},
}  # fmt: skip
SIMULATE = {
    "vectors": {
        "kind": "linear_gaussian",
        "simulations": linear_run.COUNTS,
        "config": {"prior": PRIOR, "observations": 4},
    }
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Params]:
    """The exact estimator, through the stages up to `publish`."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("prior")
        patch.chdir(folder)
        entry = {"exact": {"kind": "exact", "of": "vectors"}}
        linear_run.write_params(folder, simulate=SIMULATE, summarise={}, train=entry)
        linear_run.simulate()
        linear_run.stage("train", "exact")
        linear_run.stage("draw", "exact")
        linear_run.stage("diagnose")
        linear_run.stage("publish")
        yield read_params()


def test_what_is_learned_is_not_what_is_simulated(run: Params) -> None:
    about = storage.open_set(paths.SETS / "vectors").about
    assert about["parameters"] == ["c", "a", "b"]
    assert about["nuisance"] == ["b"]
    assert about["fixed"] == {"d": 0.7}
    prior = plugins.prior_of(run, "vectors")
    assert prior.columns == ("c", "a", "b", "d")


def test_the_simulator_is_given_fixed_parameters(run: Params) -> None:
    simulator = plugins.simulator(run, "vectors")
    theta, t = np.array([[1.0, 2.0, 3.0]]), (np.arange(4) + 1) / 4
    noise = np.random.default_rng(0).standard_normal((1, 4))
    mean = 1.0 + 2.0 * t + 3.0 * t**2 + 0.7 * t**3
    found = simulator.simulate(theta, np.random.default_rng(0))
    np.testing.assert_allclose(found, mean + 0.5 * noise)
    assert isinstance(simulator, HasLikelihood)
    peak = simulator.log_likelihood(theta[:, None], mean[None])
    np.testing.assert_allclose(peak, -2 * np.log(2 * np.pi * 0.25))


def test_all_but_fixed_parameters_are_tested_and_the_exact_posterior_passes(run: Params) -> None:
    verdict = json.loads(paths.COVERAGE.read_text())["estimators"]["exact"]
    assert verdict["published"]
    assert {"sbc.a", "sbc.b", "sbc.c"} <= set(verdict["tests"])
    assert not [name for name in verdict["tests"] if name.endswith(".d")]


def test_files_are_marginalised_over_nuisance_parameters(run: Params) -> None:
    path = paths.POSTERIORS / "exact.nc"
    data = arviz.from_netcdf(path)
    assert sorted(data.posterior.data_vars) == ["a", "c"]
    assert sorted(data.prior.data_vars) == ["a", "c"]
    assert float(data.constant_data["d"]) == 0.7
    content, drawn = (
        posterior_file.load(path),
        storage.load_draws(paths.DRAWS / "exact.safetensors"),
    )
    assert content.parameters == ("c", "a", "b")
    assert (content.shown, content.nuisance, content.fixed) == (("c", "a"), ("b",), {"d": 0.7})
    np.testing.assert_array_equal(content.samples.draws, drawn.draws)
    np.testing.assert_array_equal(content.marginal, drawn.draws[..., :2])
    np.testing.assert_array_equal(content.theta, drawn.theta)


def test_marginal_draws_are_those_of_the_integral(run: Params, tmp_path: Path) -> None:
    """Over b, the exact likelihood times the prior is integrated on a grid."""
    x = project.test_rows(run, "vectors").x[:1]
    np.save(tmp_path / "x.npy", x)
    content = infer.infer(run, "exact", [tmp_path / "x.npy"], 4000, None, False)
    simulator, prior = plugins.simulator(run, "vectors"), plugins.prior_of(run, "vectors")
    assert isinstance(simulator, HasLikelihood)
    axes = [np.linspace(-1, 8, 91), np.linspace(-4, 4, 81), np.linspace(-3, 3, 61)]
    theta = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 1, 3)
    joint = simulator.log_likelihood(theta, x)[:, 0] + prior.log_prob(theta)[:, 0]
    density = integrate.simpson(np.exp(joint - joint.max()).reshape(91, 81, 61), x=axes[2])
    for column, marginal in enumerate((density.sum(1), density.sum(0))):
        mean, width = _moments(axes[column], marginal)
        draws = content.marginal[:, 0, column]
        assert abs(draws.mean() - mean) < 5 * width / np.sqrt(2000)
        assert abs(draws.std() / width - 1) < 0.08


def _moments(axis: Array, weight: Array) -> tuple[float, float]:
    mean = float((axis * weight).sum() / weight.sum())
    return mean, float(np.sqrt(((axis - mean) ** 2 * weight).sum() / weight.sum()))


def test_the_page_of_an_observation_says_what_is_marginalised(run: Params, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", project.test_rows(run, "vectors").x[:1])
    content = infer.infer(run, "exact", [tmp_path / "x.npy"], 500, None, False)
    posterior_file.save(tmp_path / "p.nc", content)
    portrait = infer.portrait(run, content)
    assert [one.parameter for one in portrait.summaries(0)["exact"]] == ["c", "a"]
    page = observation.page(portrait, predictive.predict(run, content, 1, 40))
    assert "marginalised over" in page
    assert "0.7" in page
    triangle = page[page.index("with regions of 68 and 95 %") - 200 :][:400]
    assert "a = " in triangle
    assert "b = " not in triangle
    loaded = posterior_file.load(tmp_path / "p.nc")
    (pair,) = compare_files({"one": loaded, "other": loaded})
    assert set(pair.by_parameter) == {"a", "b", "c"}


def test_a_notebook_is_given_what_is_no_nuisance(run: Params) -> None:
    study = sbipipe.open(".")
    drawn = study.posterior("exact").at(project.test_rows(run, "vectors").x[0]).sample(400)
    assert drawn.parameters == ("c", "a")
    assert drawn.draws.shape == (400, 2)
    assert [one.parameter for one in drawn.summary()] == ["c", "a"]
    np.testing.assert_array_equal(drawn.draws, drawn.file.samples.draws[:, 0, :2])
    assert "b = " not in drawn.plot().alt


def test_another_chain_than_that_of_the_simulations_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    chain = {"a, b": {"kind": "draws", "path": "chain.npz"}}
    entry = SIMULATE["vectors"] | {"config": {"prior": chain}}
    np.savez("chain.npz", a=rng.normal(size=1000), b=rng.normal(size=1000))
    linear_run.write_params(tmp_path, simulate={"vectors": entry})
    linear_run.simulate()
    assert plugins.prior_of(read_params(), "vectors").names == ("a", "b")
    np.savez("chain.npz", a=rng.normal(size=1000), b=rng.normal(size=1000))
    with pytest.raises(InputError, match="given a prior of other draws than data/sets/vectors"):
        plugins.prior_of(read_params(), "vectors")
