"""What a run will take is added up from steps, draws and tests, a line for each stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sbipipe.check import check
from sbipipe.config import Params
from sbipipe.costs import fits
from sbipipe.costs.before import before
from sbipipe.costs.emulators import emulated
from sbipipe.costs.judging import judging
from sbipipe.costs.rows import Rows
from sbipipe.costs.sets import of_simulator
from sbipipe.costs.stage import STARTING, Stage
from sbipipe.costs.stages import ENDS, stages, training_seconds
from sbipipe.costs.typical import WIDTH, typical
from sbipipe.emulators.diffusion import Diffusion
from sbipipe.interfaces import SPLITS, Array, Dataset, History, Vectors
from sbipipe.learning.portfolio import GROWTH, RUNG
from sbipipe.learning.schedules import Cosine
from sbipipe.priors.prior import uniform_prior
from sbipipe.protocols import Conditioned, Prior
from sbipipe.sampling.condition import condition
from watch import Watch

QUICK = {"hidden": 8, "ensemble": 2, "optimisation": {"steps": 10}}
STUDY = {
    "simulate": {
        "v": {
            "kind": "linear_gaussian",
            "simulations": {"train": 300, "valid": 60, "calibrate": 50, "test": 80},
        }
    },
    "summarise": {"raw": {"kind": "identity", "of": "v"}},
    "join": {"twice": {"of": "raw", "beside": "v"}},
    "train": {
        "npe": {"kind": "npe", "of": "twice", "config": {"density": "zuko_nsf", **QUICK}},
        "nre": {"kind": "nre", "of": "raw", "config": {"classifier": "mlp", **QUICK}},
        "exact": {"kind": "exact", "of": "v"},
    },
    "recalibrate": {"exact+levels": {"kind": "levels", "of": "exact"}},
    "budget": {"npe": {"of": "npe"}},
    "draw": {"draws": 100},
}


QUICK_DIFFUSION = {**Diffusion.quick(), "choose": "loss", "refine": 0}


@dataclass(frozen=True)
class Slow:
    """A kind of emulator that takes as long as it says."""

    clock: Watch
    optimisation: Cosine = field(default_factory=lambda: Cosine(epochs=20, batch=64))

    def fit(self, train: Dataset, *_: Any) -> tuple[Any, History]:
        epochs = self.optimisation.epochs_of(len(train))
        training = epochs * (2 + 0.1 * len(train))
        self.clock.now += 1 + 0.01 * len(train) + training
        return None, History(seconds=training)


def linear_rows() -> Dataset:
    """Rows of nothing in particular."""
    x = np.zeros((600, 1))
    return Dataset(data=Vectors(components=("x",)), theta=x, x=x, group=np.arange(600))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lines_of(params: Params) -> list[Stage]:
    """The lines of all stages after the first."""
    sets = {name: of_simulator(params, name, {}) for name in params.simulate}
    last = before(params, Path("params.yaml"))
    made, scored = emulated(params, sets, dict.fromkeys(sets, 0.1))
    found = [*stages(params, {**sets, **scored}, last, made)]
    return [*found, *judging(params, sets, {one.name: one.seconds for one in found})]


def test_every_stage_has_a_line() -> None:
    Path("params.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    found = check()
    assert found.params
    lines = lines_of(found.params)
    assert [one.name for one in lines] == [
        "summarise@raw", "train@npe", "train@nre", "train@exact", "draw@npe", "draw@nre",
        "draw@exact", "recalibrate@exact+levels", "budget@npe", "diagnose", "compare",
    ]  # fmt: skip
    assert all(one.seconds is not None and one.seconds > 0 for one in lines)


def test_what_is_made_of_emulators_has_a_line() -> None:
    """A diffusion model that scores, one that begins from it, and what has no network."""
    maps = {
        "kind": "lognormal",
        "simulations": STUDY["simulate"]["v"]["simulations"],
        "config": {"pixels": 8},
    }
    study = {
        "simulate": {"maps": maps},
        "emulate": {
            "fine": {"kind": "diffusion", "of": "coarse", "score": [], "config": QUICK_DIFFUSION},
            "coarse": {"kind": "diffusion", "of": "maps", "config": QUICK_DIFFUSION},
            "again": {"kind": "replay", "of": "maps"},
        },
        "train": {"s": {"kind": "surface", "of": "coarse"}},
        "recalibrate": {"s+tempered": {"kind": "tempered", "of": "s"}},
        "draw": {"draws": 100},
        "judge": {"fields": 0},
    }
    Path("params.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    found = check()
    assert found.params
    seconds = {one.name: one.seconds for one in lines_of(found.params)}
    every = {
        f"{stage}@{name}" for stage in ("emulate", "draw_fields", "score")
        for name in ("fine", "coarse", "again")
    }  # fmt: skip
    assert every | {
        "truth@maps",
        "judge",
        "ask",
        "train@s",
        "draw@s",
        "recalibrate@s+tempered",
    } <= set(seconds)
    assert None not in seconds.values()
    assert seconds["score@fine"] == seconds["score@again"] == STARTING


def test_a_fit_takes_as_long_as_its_rows_and_epochs_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a fit moves by 1 + 0.01 n seconds, and its training by 2 + 0.1 n an epoch."""
    clock = Watch()
    monkeypatch.setattr(fits.time, "perf_counter", clock)
    rows = Rows(
        some=linear_rows(), number={"train": 5_000, "valid": 500},
        simulations={"train": 5_000, "valid": 500}, prior=uniform_prior(a=(0.0, 1.0)),
    )  # fmt: skip
    found = fits.fit(Slow(clock=clock), rows, "cpu", None)
    assert found.seconds == pytest.approx(1 + 0.01 * 5_000 + 20 * (2 + 0.1 * 5_000))


def test_simulations_made_elsewhere_are_split_as_the_stage_splits_them() -> None:
    rng = np.random.default_rng(0)
    theta = rng.random((1000, 1)).repeat(2, 0)
    np.savez("mine.npz", theta=theta, x=rng.random((2000, 3)), group=np.arange(1000).repeat(2))
    uniform = {"kind": "uniform", "low": 0.0, "high": 1.0}
    mine = {"kind": "arrays", "config": {"path": "mine.npz", "prior": {"a": uniform}}}
    study = {"simulate": {"mine": mine}, "train": {"npe": {"kind": "npe", "of": "mine"}}}
    Path("params.yaml").write_text(yaml.safe_dump(study))
    found = check()
    assert found.params
    rows: Rows = of_simulator(found.params, "mine", found.data)
    assert sum(rows.simulations.values()) == 1000
    assert all(rows.number[split] == 2 * rows.simulations[split] for split in SPLITS)
    assert len(rows.part(1990, 50)) == 50


def test_the_steps_of_a_portfolio_are_added_up() -> None:
    """Three tries in a first round, one of which is left, and trained with others beside it."""
    steps = {"a trial 1": 0.1, "b trial 1": 0.2, "c trial 1": 0.3, "b": 0.3}
    found = training_seconds(steps, 20_000)
    assert found == pytest.approx(RUNG * 3 * 0.2 + ENDS * 0.2 * 0.3 / 0.2)


def test_a_second_round_has_half_the_networks_and_more_steps() -> None:
    steps = {**{f"{name} trial 1": 0.1 for name in "abcd"}, "a trial 2": 0.1, "a": 0.1}
    rounds = RUNG * 4 + RUNG * GROWTH * 2
    assert training_seconds(steps, 20_000) == pytest.approx(0.1 * (rounds + ENDS))


def test_no_network_takes_more_steps_than_it_may() -> None:
    steps = {"a trial 1": 0.1, "b trial 1": 0.1, "a": 0.1}
    assert training_seconds(steps, 50) == pytest.approx(0.1 * (2 * 50 + 50))
    assert training_seconds({"a": 0.2, "reference": 0.1}, 50) == pytest.approx(0.3 * 50)
    assert training_seconds({}, 50) == 0


@dataclass(frozen=True)
class Wild:
    """A posterior whose density cannot be drawn from."""

    prior: Prior
    asked: list[int]

    def digest(self, x: Array) -> Array:
        return x

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        self.asked.append(theta.shape[0] * len(digest))
        return np.full(theta.shape[:2], np.nan)

    def at(self, x: Array) -> Conditioned:
        return condition(self.log_ratio, self.prior, x)


PRIOR = uniform_prior(a=(0.0, 1.0), b=(-1.0, 1.0))


def test_a_typical_posterior_is_drawn_from_as_a_normal_one() -> None:
    asked: list[int] = []
    wild = typical(Wild(PRIOR, asked), PRIOR, np.zeros((3, 4)))  # type: ignore[arg-type]
    measured = len(asked)
    drawn = wild.posterior.at(np.zeros((3, 4))).sample(2000, np.random.default_rng(0)).draws
    u = PRIOR.to_unbounded(drawn)
    np.testing.assert_allclose(u.mean(0), 0, atol=5 * WIDTH / np.sqrt(2000))
    np.testing.assert_allclose(u.std(0), WIDTH, rtol=5 / np.sqrt(2 * 2000))
    assert len(asked) == measured


def test_the_values_of_a_density_are_counted_and_paid_for() -> None:
    wild = typical(Wild(PRIOR, []), PRIOR, np.zeros((3, 4)))  # type: ignore[arg-type]
    wild.each = 1e3
    theta = np.zeros((7, 3, 2))
    _, seconds = wild.timed(lambda: wild.posterior.log_ratio(theta, np.zeros((3, 4))))
    assert wild.asked == 21
    assert seconds == pytest.approx(21e3, rel=0.01)
