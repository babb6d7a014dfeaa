"""A posterior file gives back what it was given, to us and to arviz."""

import json
from dataclasses import replace

import arviz
import numpy as np
import pytest
import xarray as xr

from closed_form import CONTROLS, gaussian
from sbipipe.config import Gate
from sbipipe.diagnostics.coverage import Coverage
from sbipipe.diagnostics.regions import Regions
from sbipipe.diagnostics.sbc import Sbc
from sbipipe.diagnostics.tarp import Tarp
from sbipipe.gate.judge import judge
from sbipipe.gate.verdict import Verdict
from sbipipe.interfaces import Curve, Samples
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors import groups as groups_file
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.posteriors.file import observation_hash
from sbipipe.records import InputError, dump

CURVES = {
    "sbc.omega_m": {"x": (0.0, 0.5, 1.0), "y": (0.0, 0.4, 1.0)},
    "tarp.all": {"x": (0.0, 1.0), "y": (0.0, np.nan)},
}


@pytest.fixture(scope="module")
def diagnosis() -> Verdict:
    """A verdict whose tests have curves of different lengths."""
    diagnostics = {"sbc": Sbc(), "coverage": Coverage(), "tarp": Tarp(), "regions": Regions()}
    found = judge(gaussian(60, 1), diagnostics, Gate(), CONTROLS, np.random.default_rng(1))
    test = found.tests["tarp.tarp"]
    labels = {"x_label": "share", "y_label": "coverage"}
    tests = {
        name: replace(
            test,
            curve=Curve(**lines, ideal=lines["x"], lower=lines["x"], upper=lines["x"], **labels),
        )
        for name, lines in CURVES.items()
    }
    return replace(found, tests=tests)


@pytest.fixture
def content(diagnosis) -> PosteriorFile:
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(400, 3, 2)) * [1.0, 0.1] + [0.0, 5.0]
    log_prob = rng.normal(size=(400, 3))
    return PosteriorFile(
        parameters=("omega_m", "sigma_8"),
        samples=Samples(
            draws=draws,
            log_prob=log_prob,
            effective_sample_size=np.array([400.0, 380.0, 9.0]),
            figures={"log_evidence": np.array([-1.0, 3.5, np.nan])},
        ),
        x=rng.normal(size=(3, 4)),
        fields=rng.normal(size=(3, 1, 8, 8)).astype(np.float32),
        prior=rng.normal(size=(50, 2)),
        theta=rng.normal(size=(3, 2)),
        diagnosis=diagnosis,
        attributes={"verdict": "calibrated", "published": 1, "seed": 2**62, "versions": {"a": "1"}},
    )


def test_what_is_saved_is_loaded(content, tmp_path):
    posterior_file.save(tmp_path / "p.nc", content)
    loaded = posterior_file.load(tmp_path / "p.nc")
    assert loaded.parameters == content.parameters
    for name in ("x", "fields", "prior", "theta"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(content, name))
    for name in ("draws", "log_prob", "effective_sample_size"):
        np.testing.assert_array_equal(getattr(loaded.samples, name), getattr(content.samples, name))
    evidence = content.samples.figures["log_evidence"]
    np.testing.assert_array_equal(loaded.samples.figures["log_evidence"], evidence)
    assert loaded.samples.figures.keys() == {"log_evidence"}
    assert loaded.attributes["seed"] == 2**62
    assert json.loads(loaded.attributes["versions"]) == {"a": "1"}
    assert dump(loaded.diagnosis) == dump(content.diagnosis)


def test_an_estimator_without_a_verdict_has_no_tests(content, tmp_path):
    posterior_file.save(tmp_path / "p.nc", replace(content, diagnosis=None))
    assert posterior_file.load(tmp_path / "p.nc").diagnosis is None


def test_a_diagnosis_that_is_not_whole_is_named(content, tmp_path):
    posterior_file.save(tmp_path / "p.nc", content)
    groups, root = groups_file.load_groups(tmp_path / "p.nc")
    groups["calibration"] = groups["calibration"].drop_vars("curve_ideal")
    groups_file.save_groups(tmp_path / "p.nc", groups, root)
    with pytest.raises(InputError) as error:
        posterior_file.load(tmp_path / "p.nc")
    assert [line.partition("p.nc: ")[2] for line in error.value.problems] == [
        f"calibration: tests.{name}.curve.ideal: missing" for name in CURVES
    ]


def test_an_observation_has_no_truth(content, tmp_path):
    posterior_file.save(tmp_path / "p.nc", replace(content, theta=None, fields=None))
    loaded = posterior_file.load(tmp_path / "p.nc")
    assert loaded.theta is None
    assert loaded.fields is None


def test_arviz_summarises_it(content, tmp_path):
    posterior_file.save(tmp_path / "p.nc", content)
    data = arviz.from_netcdf(tmp_path / "p.nc")
    assert set(posterior_file.GROUPS) <= set(data.groups())
    assert data.attrs["verdict"] == data.posterior.attrs["verdict"] == "calibrated"
    summary = arviz.summary(data)
    mean = content.samples.draws.mean(0)
    assert summary.loc["omega_m[2]", "mean"] == pytest.approx(mean[2, 0], abs=1e-3)
    assert summary.loc["sigma_8[1]", "mean"] == pytest.approx(mean[1, 1], abs=1e-3)
    assert summary["r_hat"].max() < 1.05


def test_xarray_opens_every_group_as_one_tree(content, tmp_path):
    posterior_file.save(tmp_path / "p.nc", content)
    with xr.open_datatree(tmp_path / "p.nc", engine="h5netcdf") as tree:
        assert tree["posterior"].sizes == {"chain": 4, "draw": 100, "observation": 3}
        weights = tree["sample_stats"]["weights"].sum(("chain", "draw"))
        np.testing.assert_allclose(weights, 1)
        np.testing.assert_array_equal(tree["constant_data"]["sigma_8"], content.theta[:, 1])


def test_calibration_curves_are_padded(content, tmp_path):
    posterior_file.save(tmp_path / "p.nc", content)
    with xr.open_datatree(tmp_path / "p.nc", engine="h5netcdf") as tree:
        table = tree["calibration"].to_dataset()
        np.testing.assert_array_equal(table.curve_y.sel(test="tarp.all"), [0, np.nan, np.nan])
        np.testing.assert_array_equal(table.curve_y.sel(test="sbc.omega_m"), [0, 0.4, 1])
        np.testing.assert_array_equal(table.passed, [1, 1])
        curve = json.loads(table.attrs["diagnosis"])["tests"]["tarp.all"]["curve"]
        assert curve == {"x_label": "share", "y_label": "coverage", "ticks": []}


def test_draws_that_four_does_not_divide_are_one_chain(content, tmp_path):
    samples = replace(
        content.samples,
        draws=content.samples.draws[:399],
        log_prob=content.samples.log_prob[:399],
    )
    posterior_file.save(tmp_path / "p.nc", replace(content, samples=samples))
    loaded = posterior_file.load(tmp_path / "p.nc")
    np.testing.assert_array_equal(loaded.samples.draws, samples.draws)


def test_a_failed_observation_has_no_weight(content, tmp_path):
    log_prob = content.samples.log_prob.copy()
    log_prob[:, 1] = np.nan
    failed = replace(content, samples=replace(content.samples, log_prob=log_prob))
    posterior_file.save(tmp_path / "p.nc", failed)
    with xr.open_datatree(tmp_path / "p.nc", engine="h5netcdf") as tree:
        weights = tree["sample_stats"]["weights"].sum(("chain", "draw"))
        np.testing.assert_allclose(weights, [1, 0, 1])


def test_four_chains_are_the_draws_in_order(content, tmp_path):
    posterior_file.save(tmp_path / "p.nc", content)
    with xr.open_datatree(tmp_path / "p.nc", engine="h5netcdf") as tree:
        second = tree["posterior"]["omega_m"].isel(chain=1, observation=2)
        np.testing.assert_array_equal(second, content.samples.draws[100:200, 2, 0])


def test_the_hash_tells_observations_apart():
    x = np.arange(6.0).reshape(1, 2, 3)
    assert observation_hash(x) == observation_hash(x.astype(np.float32))
    assert observation_hash(x) != observation_hash(x.reshape(1, 3, 2))
    assert observation_hash(x) != observation_hash(x + 1)


def test_other_files_are_named(tmp_path):
    other = tmp_path / "other.nc"
    with pytest.raises(InputError, match=r"other\.nc: no such file"):
        posterior_file.load(other)
    other.write_text("no netCDF")
    with pytest.raises(InputError, match="not a posterior file"):
        posterior_file.load(other)
    xr.Dataset({"a": 1}).to_netcdf(other, engine="h5netcdf")
    with pytest.raises(InputError, match="'posterior' is missing"):
        posterior_file.load(other)
