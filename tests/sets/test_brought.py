"""Simulations that a user brings become a set with a prior, or are refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

import windows
from sbipipe import paths, plugins, storage
from sbipipe.config import Params
from sbipipe.interfaces import Array
from sbipipe.priors.prior import DrawnPrior
from sbipipe.records import InputError, parse
from sbipipe.sets import brought, campaign

UNIFORM = {"kind": "uniform", "low": 0.0, "high": 1.0}
WITHIN = {"a": UNIFORM, "b": UNIFORM}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def params(prior: Any) -> Params:
    values = f"""
    seed: 1
    simulate: {{mine: {{kind: arrays, config: {{path: mine.npz, prior: {json.dumps(prior)}}}}}}}
    summarise: {{vectors: {{kind: identity, of: mine}}}}
    emulate: {{}}
    join: {{}}
    train: {{nle: {{kind: nle, of: vectors}}}}
    recalibrate: {{}}
    draw: {{}}
    diagnose: {{sbc: {{kind: sbc}}}}
    gate: {{}}
    """
    return parse(Params, yaml.safe_load(values), "")


def imported(prior: Any, theta: Array, x: Array | None = None) -> Params:
    """The stage `simulate` for these rows."""
    made = np.random.default_rng(1).standard_normal((len(theta), 3)) if x is None else x
    np.savez("mine.npz", theta=theta, x=made)
    given = params(prior)
    campaign.import_simulations(
        plugins.simulator(given, "mine"),  # type: ignore[arg-type]
        given.simulate["mine"],
        "mine",
        given.seed,
        paths.SETS / "mine",
        Path("aside"),
    )
    return given


def about() -> dict[str, Any]:
    return dict(storage.open_set(paths.SETS / "mine").about)


def test_the_declared_prior_is_compared_with_theta() -> None:
    theta = np.random.default_rng(0).beta(8, 8, (400, 2))
    with pytest.raises(InputError) as error:
        imported(WITHIN, theta)
    assert [line.split(": given")[0] for line in error.value.problems] == [
        "simulate.mine.config.prior: a",
        "simulate.mine.config.prior: b",
    ]
    assert not paths.SETS.exists()


def test_simulations_that_failed_were_drawn_from_the_prior_too() -> None:
    """Where half of the prior fails, theta still follows it; the rows that failed are excluded."""
    theta = np.random.default_rng(0).random((600, 2))
    x = np.random.default_rng(1).standard_normal((600, 3))
    x[theta[:, 0] > 0.5] = np.nan
    imported(WITHIN, theta, x)
    assert about()["excluded"] == (theta[:, 0] > 0.5).sum()


def test_an_estimated_prior_comes_back_with_its_set() -> None:
    theta = np.random.default_rng(0).beta(8, 8, (1000, 2))
    given = imported({"kind": "as_drawn", "within": WITHIN}, theta)
    prior = plugins.prior_of(given, "mine")
    assert isinstance(prior, DrawnPrior)
    assert prior.names == tuple(about()["parameters"]) == ("a", "b")
    np.testing.assert_allclose(prior.sample(4000, np.random.default_rng(0)).std(0), 0.121, rtol=0.1)
    assert about()["missed"] == []


def test_a_prior_that_was_never_estimated_is_named() -> None:
    theta = np.random.default_rng(0).random((400, 2))
    imported(WITHIN, theta)
    with pytest.raises(InputError, match="data/sets/mine: made with another prior"):
        plugins.prior_of(params({"kind": "as_drawn"}), "mine")


def test_what_an_estimate_misses_is_recorded() -> None:
    """Sixteen teeth of a comb are more than eight components hold."""
    rng = np.random.default_rng(0)
    theta = (rng.integers(16, size=(40_000, 2)) + 0.1 * rng.random((40_000, 2))) / 16
    theta[:, 1] = rng.random(40_000)
    imported({"kind": "as_drawn", "within": WITHIN}, theta)
    assert about()["missed"] == ["a"]


def test_another_prior_makes_another_set() -> None:
    """Estimators see parameters through the prior, so they have to be trained again."""
    theta = np.random.default_rng(0).random((400, 2))
    imported(WITHIN, theta)
    before = about()["fingerprint"]
    imported(WITHIN, theta)
    assert about()["fingerprint"] == before
    wider = {**WITHIN, "b": {"kind": "uniform", "low": -0.01, "high": 1.01}}
    imported(wider, theta)
    assert about()["fingerprint"] != before


def test_remarks_are_kept() -> None:
    theta = np.random.default_rng(0).random((400, 2))
    theta[3, 1] = 1.0
    imported(WITHIN, theta)
    (remark,) = about()["remarks"]
    assert remark.startswith("simulate.mine: theta: 1 rows lie on the edge of the prior of b")


@pytest.mark.parametrize("periodic", [True, False])
def test_sides_that_do_not_meet_are_a_remark_where_they_are_said_to(periodic: bool) -> None:
    rows = windows.rows(400, 0, periodic=periodic)
    reader = SimpleNamespace(prior=windows.PRIOR)
    remarks = brought.look(rows, reader, "simulate.mine")
    assert len(remarks) == periodic
    if periodic:
        (remark,) = remarks
        assert remark.startswith("simulate.mine: periodic: given true; opposite sides of")


def test_heavy_tails_of_pixels_are_a_remark() -> None:
    x = np.random.default_rng(0).standard_normal((400, 8, 8))
    theta = np.random.default_rng(1).uniform(size=(400, 2))
    imported(WITHIN, theta, np.exp(3 * x))
    (remark,) = about()["remarks"]
    assert remark.startswith("simulate.mine: pixels have heavy tails: 400 of 400 fields")
    imported(WITHIN, theta, x)
    assert about()["remarks"] == []
