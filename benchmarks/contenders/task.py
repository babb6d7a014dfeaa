"""What every contender is given: simulations of a problem, five observations, and exact draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from contenders.clock import Seconds
from problems import PROBLEMS, Problem
from sbipipe.interfaces import Array, Dataset, Generator, Vectors
from sbipipe.seeds import stream

SEED = 0
OBSERVATIONS, REFERENCE_DRAWS = 5, 2000
VALID = 0.1
"""The share of the simulations that stops training, as sbi has it."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A problem with a number of simulations.

    Attributes:
        name: The name of the problem.
        size: The number of simulations for training and validation together.
        tests: The number of simulations that the gate judges.
        calibrate: The number of simulations that recalibrations are fitted to.
        references: The folder that keeps exact draws for the next run.
    """

    name: str
    size: int
    tests: int
    calibrate: int
    references: Path

    @property
    def problem(self) -> Problem:
        return PROBLEMS[self.name]

    @cached_property
    def simulations(self) -> Dataset:
        """Independent draws from the prior, with their data."""
        return self._rows("simulations", self.size)

    def split(self, name: str) -> Dataset:
        """The split train, valid, calibrate or test."""
        if name in {"calibrate", "test"}:
            return self._rows(name, self.tests if name == "test" else self.calibrate)
        held_out = round(VALID * self.size)
        return self.simulations.rows(slice(held_out, None) if name == "train" else slice(held_out))

    @cached_property
    def observed(self) -> Dataset:
        """Five draws from the prior predictive, the same for every size."""
        return self._rows("observations", OBSERVATIONS)

    @cached_property
    def reference(self) -> Reference:
        """Exact draws for the observations."""
        path = self.references / f"{self.name}.npz"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **_reference(self.problem, self.observed.x, self._rng("reference")))
        with np.load(path) as kept:
            if not np.array_equal(kept["x"], self.observed.x):
                raise ValueError(f"{path}: holds other observations; delete it")
            return Reference(draws=kept["draws"], log_prob=kept["log_prob"])

    def _rows(self, label: str, n: int) -> Dataset:
        theta = self.problem.prior.sample(n, self._rng(label, n, "theta"))
        x = self.problem.simulate(theta, self._rng(label, n, "x"))
        names = tuple(f"x{i}" for i in range(x.shape[1]))
        return Dataset(data=Vectors(components=names), theta=theta, x=x, group=np.arange(n))

    def _rng(self, *labels: str | int) -> Generator:
        return stream(SEED, self.name, *labels)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Exact draws.

    Attributes:
        draws: With shape (REFERENCE_DRAWS, OBSERVATIONS, D).
        log_prob: The exact log density there, with shape (REFERENCE_DRAWS, OBSERVATIONS).
    """

    draws: Array
    log_prob: Array


def _reference(problem: Problem, x: Array, rng: Generator) -> dict[str, Array]:
    posteriors = [problem.posterior(one) for one in x]
    draws = [one.sample(REFERENCE_DRAWS, rng) for one in posteriors]
    log_prob = [one.log_prob(theta) for one, theta in zip(posteriors, draws, strict=True)]
    return {"x": x, "draws": np.stack(draws, 1), "log_prob": np.stack(log_prob, 1)}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a contender's posteriors of the test simulations are like.

    Attributes:
        verdict: The gate's word.
        published: Whether the gate lets the posterior out.
        reasons: The gate's reasons.
        nats: The mean log density at the truth.
        nats_error: The standard error of `nats`.
        covered_68: The share of truths in the highest-density regions of 68 %.
        failed: The number of simulations that could not be sampled.
        seconds: The time of drawing for all simulations and judging.
    """

    verdict: str
    published: bool
    reasons: tuple[str, ...]
    nats: float
    nats_error: float
    covered_68: float
    failed: int
    seconds: Seconds


class Fitted(Protocol):
    """A trained contender."""

    @property
    def seconds(self) -> Seconds:
        """The time of training, recalibration included."""

    def sample(self, x: Array, n: int, rng: Generator) -> Array:
        """Draws (n, B, D) for observations (B, L); NaN where one could not be sampled."""

    def log_prob(self, theta: Array, x: Array) -> Array | None:
        """Normalised log density (n, B) at theta (n, B, D); None if it is not known."""

    def judge(self, test: Dataset, rng: Generator) -> Judged | None:
        """The gate's judgement; None if the contender has no gate."""


class Contender(Protocol):
    """What learns a posterior from simulations, with default settings."""

    def fit(self, task: Task) -> Fitted:
        """Train on the simulations of a task."""
