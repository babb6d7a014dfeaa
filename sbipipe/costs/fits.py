"""A few steps of an emulator's fit, on rows of the right shape: what the whole of it takes.

A fit is tried with few rows and few steps, and its time carried on to all of them, by what each
kind grows with:

- epochs: a + b n + (c + d n) E for n rows and E epochs, from two numbers of rows; training says
  itself what it took, (c + d n) E, and c holds the score that chooses among checkpoints.
- steps of two players (`learning.players`), and scores between them.
- neither: a power of the number of simulations, from a quarter of `SIMULATIONS` and half of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from sbipipe.costs.rows import Rows
from sbipipe.costs.timing import line
from sbipipe.interfaces import Run
from sbipipe.protocols import Emulator

BATCHES = (2, 6)
"""The batches of rows of a trial with epochs."""

STEPS = (8, 24)
"""The steps of a trial of two players."""

PLAYED = 1_024
"""The rows that two players are tried on."""

SIMULATIONS = 512
"""Of which a quarter and a half are learned from by a kind without a network."""

HELD_OUT = 512
"""The rows that a trial is validated on, at most."""

EPOCHS = 2
"""The epochs of a trial, at most."""

Trial = Callable[[Any, int], tuple[float, float]]
"""The seconds of a fit with these settings and so many rows, and those of the training in it."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """An emulator after a trial.

    Attributes:
        emulator: What it has learned.
        seconds: The estimate for the whole fit.
    """

    emulator: Emulator
    seconds: float


def fit(kind: Any, rows: Rows, device: str, begun: Emulator | None) -> Fitted:
    """A trial of a kind of emulator.

    Args:
        begun: The emulator that it begins from, if from one.
    """
    valid = rows.part(0, min(HELD_OUT, rows.number["valid"]))
    last: list[Emulator] = []

    def trial(kind: Any, few: int) -> tuple[float, float]:
        given = rows.part(0, few), valid, rows.prior, Run(seed=0, device=device)
        fits = kind.fit if begun is None else partial(kind.go_on, begun)
        start = time.perf_counter()
        emulator, history = fits(*given)
        last[:] = [emulator]
        return time.perf_counter() - start, history.seconds

    number, simulations = rows.number["train"], rows.simulations["train"]
    if hasattr(kind, "play"):
        seconds = _played(kind, rows, trial)
    elif hasattr(kind, "optimisation"):
        seconds = _epochs(kind, rows, trial)
    else:
        seconds = _power(kind, number, max(1, number // simulations), trial)
    return Fitted(emulator=last[0], seconds=seconds)


def _epochs(kind: Any, rows: Rows, trial: Trial) -> float:
    """Of a network that is trained for some epochs; a student's rows are those that it makes."""
    schedule, student = kind.optimisation, getattr(kind, "student", None)
    number = student.paths if student else rows.number["train"]
    batch, epochs = rows.batch(schedule.batch_of(number)), schedule.epochs_of(number)
    sizes = [min(number, count * batch) for count in BATCHES]
    few = min(EPOCHS, epochs)

    def of(count: int, rows: int) -> Any:
        own = {"student": replace(student, paths=rows)} if student else {}
        return replace(kind, optimisation=replace(schedule, epochs=count, batch=batch), **own)

    trial(of(1, sizes[0]), sizes[0])
    whole, training = np.array([trial(of(few, size), size) for size in sizes]).T
    each = line(sizes, training, number) / few
    return float(each * epochs + line(sizes, whole - training, number))


def _played(kind: Any, rows: Rows, trial: Trial) -> float:
    """Of two players."""
    few, (short, long) = min(rows.number["train"], PLAYED), STEPS
    batch = rows.batch(kind.play.batch)

    def of(steps: int, every: int) -> float:
        changed = {"steps": steps, "score_every": every, "score_last": every, "batch": batch}
        return trial(replace(kind, optimisation=replace(kind.optimisation, **changed)), few)[0]

    of(short, short)
    once, scored, more = of(short, short), of(short, short // 2), of(long, long)
    each, score = max(0.0, more - once) / (long - short), max(0.0, scored - once)
    each *= kind.play.batch / batch
    return float(once + each * (kind.play.steps - short) + score * (len(kind.play.ends) - 1))


def _power(kind: Any, number: int, maps: int, trial: Trial) -> float:
    """Of what has no network.

    Args:
        maps: The rows of a simulation.
    """
    whole = min(number, getattr(kind, "simulations", math.inf) * maps)
    few, more = (min(number, SIMULATIONS * maps // part) for part in (4, 2))
    trial(kind, few)
    first, _ = trial(kind, few)
    if more == few:
        return first
    second, _ = trial(kind, more)
    power = max(0.0, math.log(second / first) / math.log(more / few))
    return float(second * (whole / more) ** power)


__all__ = ["Fitted", "fit"]
