"""From arrays in a notebook to posteriors that were judged, without a file."""

from __future__ import annotations

import json
from pathlib import Path

import arviz
import numpy as np
import pytest

import sbipipe
import windows
from closed_form import exact_posterior
from linear_problem import OPTIMISATION, SIMULATOR
from sbipipe.estimators.npe import Npe
from sbipipe.interfaces import Array
from sbipipe.posteriors import file as posterior_file
from sbipipe.records import InputError
from sbipipe.studies.study import Study

PRIOR = {name: {"kind": "normal", "loc": 0.0, "scale": 1.0} for name in SIMULATOR.prior.names}
LEARNED = {"density": "mdn", "hidden": 32, "ensemble": 1, "optimisation": OPTIMISATION}
ROWS = 2400


def simulations(n: int = ROWS, seed: int = 1) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    theta = SIMULATOR.prior.sample(n, rng)
    return theta, SIMULATOR.simulate(theta, rng)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study(folder: Path, monkeypatch_module: pytest.MonkeyPatch) -> Study:
    """A posterior that was learned, the same mended, and one that has hardly been trained."""
    monkeypatch_module.chdir(folder)
    theta, x = simulations()
    entries = {"npe": {"kind": "npe", "config": LEARNED}, "hasty": hasty()}
    mended = {"mended": {"kind": "levels", "of": "npe"}}
    found: Study = sbipipe.fit(
        theta, x, PRIOR, entries, seed=4, recalibrate=mended, draw={"draws": 200},
        gate={"width_error": 0.25}, folder=folder / "page",
    )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def monkeypatch_module() -> object:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def hasty() -> dict[str, object]:
    return {"kind": "npe", "config": {**Npe.quick(), "optimisation": {"steps": 3}}}


def observed(n: int) -> Array:
    return simulations(n, seed=9)[1]


def test_every_posterior_has_its_verdict(study: Study) -> None:
    assert list(study.verdicts) == ["npe", "hasty", "mended"]
    assert study.verdicts["npe"].verdict == "calibrated", study.verdicts["npe"].reasons
    assert "npe" in study.published
    assert "hasty" not in study.published
    assert repr(study).splitlines()[1].startswith("  npe: calibrated")


def test_draws_are_those_of_the_exact_posterior(study: Study) -> None:
    x = observed(20)
    mean, covariance = exact_posterior(SIMULATOR, x)
    drawn = study.posterior("npe").at(x).sample(1000)
    width = np.sqrt(np.diag(covariance))
    assert drawn.draws.shape == (1000, 20, 2)
    assert np.abs((drawn.draws.mean(0) - mean) / width).mean() < 0.15
    assert np.abs(drawn.draws.std(0) / width - 1).mean() < 0.15
    density = study.posterior("npe").at(x).log_prob(drawn.draws)
    np.testing.assert_allclose(density, drawn.log_prob, atol=1e-4)


def test_one_observation_has_no_axis_of_its_own(study: Study) -> None:
    (x,) = observed(1)
    posterior = study.posterior("npe").at(x)
    drawn = posterior.sample(200)
    assert np.asarray(drawn).shape == (200, 2)
    assert drawn.log_prob.shape == (200,)
    assert posterior.log_prob(drawn.draws).shape == (200,)
    again = study.posterior("npe").at(x).sample(200)
    np.testing.assert_array_equal(drawn.draws, again.draws)
    assert (posterior.sample(200, seed=5).draws != drawn.draws).any()
    assert drawn.outside is False
    assert study.posterior("npe").at(x + 100).sample(20).outside is True


def test_what_failed_its_gate_is_refused(study: Study) -> None:
    with pytest.raises(InputError, match=r"hasty: its posteriors are not published, .* all the "):
        study.posterior("hasty")
    drawn = study.posterior("hasty", uncalibrated=True).at(observed(1)[0]).sample(50)
    assert drawn.file.attributes["uncalibrated"] == 1
    with pytest.raises(InputError, match="posterior: given 'nle'; allowed: npe, hasty, mended"):
        study.posterior("nle")


def test_draws_go_to_arviz_and_to_a_file(study: Study, tmp_path: Path) -> None:
    drawn = study.posterior("npe").at(observed(3)).sample(400)
    data = drawn.to_arviz()
    assert data.posterior["theta_0"].shape == (4, 100, 3)
    assert float(arviz.rhat(data.posterior)["theta_0"].max()) < 1.1
    drawn.save(tmp_path / "o.nc")
    loaded = posterior_file.load(tmp_path / "o.nc")
    np.testing.assert_array_equal(loaded.samples.draws, drawn.draws)
    assert loaded.diagnosis == study.verdicts["npe"]


def test_draws_show_themselves(study: Study, tmp_path: Path) -> None:
    (x,) = observed(1)
    drawing = study.posterior("npe").at(x).sample(500).plot(truth=[0.0, 0.0])
    assert drawing._repr_mimebundle_()["image/svg+xml"].startswith("<?xml")
    drawing.save(tmp_path / "triangle")
    assert (tmp_path / "triangle.svg").read_bytes() == drawing.image
    with pytest.raises(InputError, match=r"given \.pdf; allowed: \.svg"):
        drawing.save(tmp_path / "triangle.pdf")
    together = study.plot(x, n=300)
    assert all(name in together.alt for name in study.published)
    assert "hasty" not in together.alt
    with pytest.raises(InputError, match="x: given 2 observations; allowed: one"):
        study.plot(observed(2))


def test_nothing_is_written_but_the_page(study: Study, folder: Path) -> None:
    assert [path.name for path in folder.iterdir()] == ["page"]
    page = (folder / "page/index.html").read_text()
    assert all(name in page for name in study.verdicts)
    saved = json.loads((folder / "page/coverage.json").read_text())["estimators"]
    assert {n: one["verdict"] for n, one in saved.items()} == {
        n: one.verdict for n, one in study.verdicts.items()
    }


def test_fields_are_read_through_a_summary() -> None:
    rng = np.random.default_rng(0)
    theta = rng.uniform(0.5, 2, (120, 1))
    maps = theta[:, :, None] * rng.standard_normal((120, 8, 8))
    summary = {"kind": "field_statistics", "config": {"statistics": ["pixel_density"]}}
    study = sbipipe.fit(
        theta, maps, {"scale": (0.5, 2)}, {"npe": hasty()}, summary=summary, draw={"draws": 50}
    )
    assert study.shape == (1, 8, 8)
    drawn = study.posterior("npe", uncalibrated=True).at(maps[0]).sample(30)
    assert drawn.draws.shape == (30, 1)
    assert drawn.file.x.shape == (1, 1, 8, 8)


@pytest.mark.parametrize("periodic", [True, False])
def test_fields_say_whether_they_wrap_around(periodic: bool) -> None:
    """By default they do, and those whose sides do not meet are a remark."""
    rows = windows.rows(150, 0)
    study = sbipipe.fit(
        rows.theta, rows.x, windows.PRIOR, {"npe": hasty()}, periodic=periodic, draw={"draws": 50},
        summary={"kind": "field_statistics", "config": {"statistics": ["moments"]}},
    )  # fmt: skip
    assert any("sides of axis" in line for line in study.remarks) == periodic


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"estimators": ["nope"]}, r"estimators\.nope\.kind: given 'nope'; allowed: exact, nle"),
        ({"gate": {"level": 2}}, r"gate\.level: given 2"),
        ({"diagnose": {}}, "diagnose: unknown key"),
        ({"prior": {"a": (0, 1)}}, r"fit: theta: given shape \(2400, 2\); allowed: \(2400, 1\)"),
        ({"prior": {"a": (0, 1), "b": (0, 1)}}, "fit: theta: .* rows lie outside the prior of a"),
        ({"group": np.zeros(3)}, r"fit: group: given shape \(3,\); allowed: \(2400,\)"),
        (
            {"recalibrate": {"m": {"kind": "tempered", "of": "nle"}}},
            r"recalibrate\.m\.of: given 'nle'; allowed: npe",
        ),
        (
            {"recalibrate": {"m": {"kind": "reweighted", "of": "npe"}}},
            r"recalibrate\.m\.target: given None; allowed: another estimator",
        ),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], line: str) -> None:
    theta, x = simulations()
    given = {"prior": PRIOR, "estimators": {"npe": hasty()}, **changes}
    with pytest.raises(InputError, match=line):
        sbipipe.fit(theta, x, **given)
