"""The command line says what it did, and refuses in one line with exit code 2."""

import json
import shutil
import subprocess
import sys
import time
import webbrowser
from contextlib import chdir

import numpy as np
import pytest

import linear_run
from sbipipe import cli, paths, plugins, project, terminal
from sbipipe.config import read_params
from sbipipe.posteriors import file as posterior_file
from sbipipe.simulators.linear_gaussian import LinearGaussian


def call(*words):
    """The exit code of `sbipipe <words>`."""
    before, sys.argv = sys.argv, ["sbipipe", *map(str, words)]
    try:
        cli.main()
    except SystemExit as end:
        return end.code
    finally:
        sys.argv = before
    return 0


@pytest.fixture(scope="module")
def finished(linear_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    shutil.copytree(linear_folder, folder)
    with chdir(folder):
        np.savez("observed.npz", x=project.test_rows(read_params(), "vectors").x[:3])
    return folder


@pytest.fixture
def run(finished, monkeypatch):
    monkeypatch.chdir(finished)
    return finished


def infer(out, *words, estimator="exact"):
    given = ("observed.npz", "--estimator", estimator, "--draws", 400, "--out", out)
    page = () if "--page" in words else ("--no-page",)
    return call("infer", *given, *words, *page)


def test_infer_writes_a_file_and_a_table(run, tmp_path, capsys):
    assert infer(tmp_path / "o.nc") == 0
    printed = capsys.readouterr().out
    assert "±" in printed
    assert f"written: {tmp_path / 'o.nc'}" in printed.replace("\n", "")
    content = posterior_file.load(tmp_path / "o.nc")
    assert content.samples.draws.shape[:2] == (400, 3)
    for name in content.parameters:
        assert name in printed


def test_infer_writes_a_page_beside_the_file(run, tmp_path):
    np.save("alone.npy", np.load("observed.npz")["x"][2])
    words = ("alone.npy", "--simulations", 30, "--page")
    assert infer(tmp_path / "o.nc", *words) == 0
    page = (tmp_path / "o.html").read_text()
    assert all(name in page for name in ("observed.npz[0]", "observed.npz[2]", "alone.npy"))
    assert page.count("<img") == 2 * 4


def test_infer_takes_observations_of_one_universe_together(run, tmp_path, capsys):
    """Three observations of the linear Gaussian: the conjugate normal of all of them."""
    assert infer(tmp_path / "o.nc", "--together", "--tests", 400, "--page") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "the observations count as independent: maps of one box" in printed
    content = posterior_file.load(tmp_path / "o.nc")
    assert content.samples.draws.shape[:2] == (400, 1)
    assert content.attributes["verdict"] == "calibrated"
    simulator, x = LinearGaussian(), np.load("observed.npz")["x"]
    A, noise = simulator.design, simulator.noise
    precision = len(x) * A.T @ A / noise**2 + np.eye(A.shape[1]) / simulator.prior_scale**2
    mean = np.linalg.solve(precision, x.sum(0) @ A / noise**2)
    width = np.sqrt(np.diag(np.linalg.inv(precision)))
    draws = content.samples.draws[:, 0]
    np.testing.assert_allclose(draws.mean(0), mean, atol=5 * (width / 20).max())
    np.testing.assert_allclose(draws.std(0), width, rtol=0.2)
    assert "3 observations of one universe" in (tmp_path / "o.html").read_text()


def test_one_observation_is_not_several(run, tmp_path, capsys):
    assert infer(tmp_path / "o.nc", "--together", "--row", 1) == 2
    assert "--together: given 1 observation; allowed: 2 or more" in capsys.readouterr().err


def test_infer_takes_one_row(run, tmp_path):
    assert infer(tmp_path / "o.nc", "--row", 1) == 0
    content = posterior_file.load(tmp_path / "o.nc")
    np.testing.assert_array_equal(content.x[0], np.load("observed.npz")["x"][1])


def test_infer_overwrites_only_when_told(run, tmp_path, capsys):
    out = tmp_path / "o.nc"
    out.write_text("precious")
    assert infer(out) == 2
    assert out.read_text() == "precious"
    assert "--force overwrites it" in capsys.readouterr().err
    assert infer(out, "--force") == 0
    posterior_file.load(out)


def test_infer_refuses_what_failed_its_gate(run, tmp_path, capsys):
    before = paths.COVERAGE.read_text()
    coverage = json.loads(before)
    coverage["estimators"]["exact"] |= {"published": False, "verdict": "biased"}
    paths.COVERAGE.write_text(json.dumps(coverage))
    try:
        assert infer(tmp_path / "o.nc") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("train.exact: its posteriors are not published")
        assert not (tmp_path / "o.nc").exists()
        assert infer(tmp_path / "o.nc", "--uncalibrated") == 0
        assert "UNCALIBRATED" in capsys.readouterr().out
    finally:
        paths.COVERAGE.write_text(before)
    attributes = posterior_file.load(tmp_path / "o.nc").attributes
    assert (attributes["uncalibrated"], attributes["verdict"]) == (1, "biased")


def test_infer_names_the_estimators_there_are(run, tmp_path, capsys):
    assert infer(tmp_path / "o.nc", estimator="nope") == 2
    assert "allowed: exact, again" in capsys.readouterr().err


def test_compare_prints_every_pair(run, tmp_path, capsys):
    for name in ("exact", "again"):
        assert infer(tmp_path / f"{name}.nc", estimator=name) == 0
    capsys.readouterr()
    assert call("compare", tmp_path / "exact.nc", tmp_path / "again.nc") == 0
    printed = capsys.readouterr().out
    assert "C2ST" in printed
    for i, name in enumerate(("exact", "again"), 1):
        assert f"{name}.nc: {name}, calibrated" in " ".join(printed.split())
        assert printed.count(f"[{i}]") >= 2
    assert infer(tmp_path / "row.nc", "--row", 1) == 0
    assert call("compare", tmp_path / "exact.nc", tmp_path / "row.nc") == 2
    assert "of other observations than" in capsys.readouterr().err


def test_init_overwrites_only_when_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("mine.npz", theta=rng.random((200, 1)), x=rng.random((200, 3)))
    assert call("init", "mine.npz") == 0
    assert "not below data/raw" in capsys.readouterr().out
    before = (tmp_path / "params.yaml").read_text()
    assert call("init", "mine.npz", "--parameters", "a") == 2
    assert "--force overwrites it" in capsys.readouterr().err
    assert (tmp_path / "params.yaml").read_text() == before
    assert call("init", "mine.npz", "--parameters", "a", "--force") == 0
    assert "a: {kind: uniform, low: 0.0, high: 1.0}" in (tmp_path / "params.yaml").read_text()


def test_report_prints_its_path_where_there_is_no_display(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert call("report") == 2
    assert capsys.readouterr().err == "reports/index.html: no such file; run dvc repro first\n"
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/index.html").touch()
    assert call("report") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "reports/index.html")


def test_report_opens_the_page_where_there_is_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISPLAY", ":0")
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/index.html").touch()
    assert call("report") == 0
    assert opened == [(tmp_path / "reports/index.html").as_uri()]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("mean", "width", "written"),
    [
        (0.31234, 0.0213, "0.312 ± 0.021"),
        (0.00467, 0.43, "0.00 ± 0.43"),
        (1234.5, 67.8, "1234 ± 68"),
        (float("nan"), float("nan"), "nan ± nan"),
    ],
)
def test_digits_follow_the_width(mean, width, written):
    assert terminal._with_error(mean, width) == written


def test_kinds_names_everything_there_is(capsys):
    assert call("kinds") == 0
    printed = capsys.readouterr().out
    for family in plugins.FAMILIES.values():
        for kind in plugins.kinds(family):
            assert kind in printed


def test_help_is_quick():
    """Nothing heavy is imported before a command runs."""
    code = "import sys; import sbipipe.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "xarray", "pandas", "scipy", "zarr", "pydantic", "arviz", "sbi", "dask"}
    assert not heavy & set(loaded.stdout.split())
    start = time.process_time()
    assert call("--help") == 0
    assert time.process_time() - start < 0.7


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({}, []),
        ({"sed": 1}, ["sed: unknown key"]),
        (
            {"train": {"npe": {"kind": "npx", "of": "raw"}}},
            ["train.npe.kind: given 'npx'; allowed: exact, nle, npe, nre, surface"],
        ),
        (
            {"train": {"a;b": {"kind": "npe", "of": "raw"}}},
            ["the name 'a;b' is not allowed; allowed: letters, digits, _, + and -"],
        ),
    ],
)
def test_names_sections_and_kinds_are_checked_alone(tmp_path, capsys, values, lines):
    linear_run.write_params(tmp_path, **values)
    assert call("check", "--names", "--params", tmp_path / "params.yaml") == 2 * bool(lines)
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == len(lines)
    assert all(line in printed.err for line in lines)
    assert printed.out == ""
