"""Scores of shares are compared over the same simulations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import linear_run
from rows import rows_of
from sbipipe import paths, plugins, project, storage
from sbipipe.budgets.curve import budget, nats, read
from sbipipe.config import read_params
from sbipipe.interfaces import History
from sbipipe.records import InputError, dump
from sbipipe.sets.splits import nested

TRAIN = {
    "npe": {
        "kind": "npe",
        "of": "raw",
        "config": {"density": "mdn", "hidden": 16, "ensemble": 1, "optimisation": {"steps": 60}},
    },
    "exact": {"kind": "exact", "of": "vectors"},
}
HISTORY = History(curves={"a": {"valid": (2.0, 1.0)}, "b": {"valid": (0.5, 3.0)}}, seconds=7.0)


def test_most_of_the_scatter_cancels() -> None:
    rng = np.random.default_rng(0)
    common = 3 * rng.standard_normal(400)
    scores = [common - less + 0.1 * rng.standard_normal(400) for less in (0.5, 0.2, 0.0)]
    found = budget("npe", (0.25, 0.5, 1.0), (25, 50, 100), scores, [HISTORY] * 3)
    first, second, whole = found.points
    for point, less in ((first, 0.5), (second, 0.2)):
        assert point.behind == pytest.approx(less, abs=4 * 0.1 * np.sqrt(2 / 400))
        assert point.behind_se == pytest.approx(0.1 * np.sqrt(2 / 400), rel=0.15)
        assert point.se == pytest.approx(3 / 20, rel=0.15)
    assert (whole.behind, whole.behind_se) == (0.0, 0.0)
    assert whole.loss == 0.5
    assert found.law.gain(2.0)[1] < 0.1
    assert found.sentence.startswith("npe would gain 0.1")


def test_a_density_that_is_not_finite_is_counted_and_left_out_of_all() -> None:
    scores = [np.arange(10.0), np.arange(10.0) + 1]
    scores[0][3] = -np.inf
    found = budget("npe", (0.5, 1.0), (5, 10), scores, [HISTORY] * 2)
    assert (found.scored, found.left_out) == (9, 1)
    assert found.points[0].behind == 1.0


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    scores = [np.arange(10.0), np.arange(10.0) + 1]
    found = budget("npe", (0.5, 1.0), (5, 10), scores, [HISTORY, History()])
    path = tmp_path / "npe.json"
    storage.save_json(path, dump(found))
    again = read(path)
    assert again.points[0] == found.points[0]
    assert np.isnan(again.whole.loss)
    assert again.law.gain(2.0) == found.law.gain(2.0)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    curves = {"curve": {"of": "npe", "shares": [0.5]}, "none": {"of": "exact"}}
    linear_run.write_params(tmp_path, train=TRAIN, budget=curves)
    linear_run.simulate()
    linear_run.stage("summarise", "raw")
    linear_run.stage("train", "npe")
    return tmp_path


def test_the_stage_trains_on_a_share_and_scores_on_valid(trained: Path) -> None:
    before = (trained / "data/estimators/npe.safetensors").read_bytes()
    linear_run.stage("budget", "curve")
    found = read(paths.budget_path("curve"))
    assert [point.simulations for point in found.points] == [150, 300]
    assert found.scored == linear_run.COUNTS["valid"]
    assert (trained / "data/estimators/npe.safetensors").read_bytes() == before
    linear_run.stage("budget", "curve")
    assert read(paths.budget_path("curve")).points[0].nats == found.points[0].nats
    assert storage.load_history(paths.history_path("budget", "curve")).seconds > 0


def test_what_learns_nothing_has_no_curve(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        linear_run.stage("budget", "none")
    assert "budget.none.of: given 'exact', which learns nothing" in capsys.readouterr().err


def test_the_nats_of_an_exact_posterior_are_those_over_the_prior(trained: Path) -> None:
    params = read_params()
    simulator = plugins.simulator(params, "vectors")
    rng = np.random.default_rng(1)
    theta = simulator.prior.sample(4, rng)
    rows = rows_of(theta, simulator.simulate(theta, rng))
    linear_run.stage("train", "exact")
    posterior = project.posterior(params, "exact")
    found = nats(posterior, simulator.prior, rows)
    expected = posterior.at(rows.x).log_prob(theta[None])[0] - simulator.prior.log_prob(theta)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("shares", [[0.5, 0.25], [0.5, 0.5]])
def test_shares_grow(trained: Path, shares: list[float]) -> None:
    linear_run.write_params(trained, train=TRAIN, budget={"c": {"of": "npe", "shares": shares}})
    with pytest.raises(InputError, match=r"budget\.c\.shares: given .*each larger than the one"):
        read_params()


def test_a_curve_is_of_an_estimator_that_is_there(trained: Path) -> None:
    linear_run.write_params(trained, train=TRAIN, budget={"c": {"of": "nle"}})
    with pytest.raises(InputError, match=r"budget\.c\.of: given 'nle'; allowed: npe, exact"):
        read_params()


def test_a_larger_share_holds_a_smaller_one() -> None:
    group = np.repeat(np.arange(40), 3)
    quarter, half = (set(nested(group, share, 5).tolist()) for share in (0.25, 0.5))
    assert quarter < half
    assert len(quarter) == 30
    assert nested(group, 1.0, 5).tolist() == list(range(120))
    assert set(nested(group, 0.5, 6).tolist()) != half
