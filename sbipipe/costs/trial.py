"""A few steps of a fit, on rows of the right shape: what one of them takes.

The fit itself is done, with its own networks and batches of its own size, or smaller ones of large
fields, but with few rows and few steps; twice, since whatever comes first is slow. A fit that
writes checkpoints says in them how long each of its networks has taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sbipipe import storage
from sbipipe.costs.rows import Rows
from sbipipe.costs.timing import timed
from sbipipe.interfaces import Run
from sbipipe.learning.schedules import steps_per_epoch
from sbipipe.protocols import Estimator, Posterior, Summariser, Summary

BATCHES = 4
"""The batches in an epoch of a trial."""

EPOCHS = 3
"""The epochs of a trial."""

TIMES = 3
"""How often what is short is timed; the shortest of these counts."""

FEW = 256
"""The rows that a summary without a network is tried on."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """An estimator after a trial.

    Attributes:
        posterior: What it has learned, which is next to nothing.
        steps: The seconds of a step of each network, with its share of the validation, by label.
    """

    posterior: Posterior
    steps: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Summarised:
    """A summary after a trial.

    Attributes:
        summariser: What it has learned.
        seconds: The estimate for the whole fit.
        each: The seconds of one row's vector.
    """

    summariser: Summariser
    seconds: float
    each: float


def train(estimator: Any, rows: Rows, device: str) -> Trained:
    """A trial of an estimator."""
    schedule = getattr(estimator, "optimisation", None)
    if schedule is None:
        fitted: Estimator = estimator
        empty = rows.some.rows(slice(0))
        return Trained(posterior=fitted.fit(empty, empty, rows.prior, Run(seed=0))[0], steps={})
    batch = schedule.batch_of(rows.number["train"])
    few, held_out = _sizes(rows, batch)
    each = math.ceil(few / batch)

    def once(epochs: int) -> Trained:
        own = replace(schedule, steps=epochs * each, batch=batch)
        with TemporaryDirectory() as folder:
            run = Run(seed=0, device=device, checkpoint=Path(folder))
            posterior, _ = replace(estimator, optimisation=own).fit(
                rows.part(0, few), rows.part(few, held_out), rows.prior, run
            )
            found = {
                path.stem: storage.load_weights(path).meta
                for path in sorted(Path(folder).glob("*.safetensors"))
            }
        seconds = {label: meta["seconds"] / meta["epoch"] / each for label, meta in found.items()}
        return Trained(posterior=posterior, steps=seconds)

    once(1)
    return once(EPOCHS)


def summarise(summary: Any, rows: Rows, device: str) -> Summarised:
    """A trial of a summary."""
    schedule, number = getattr(summary, "optimisation", None), rows.number["train"]
    if schedule is None:
        return _measured(summary, rows, min(FEW, number))
    whole = schedule.batch_of(number)
    batch = rows.batch(whole)
    few, held_out = _sizes(rows, batch)
    own = replace(summary, optimisation=replace(schedule, epochs=EPOCHS, batch=batch))
    for _ in range(2):
        summariser, history = own.fit(
            rows.part(0, few), rows.part(few, held_out), Run(seed=0, device=device)
        )
    step = history.seconds / EPOCHS / steps_per_epoch(own.optimisation, few) * whole / batch
    steps = schedule.epochs_of(number) * steps_per_epoch(schedule, number)
    each = _each(summariser, rows, min(FEW, few))
    return Summarised(summariser=summariser, seconds=step * steps, each=each)


def _measured(summary: Summary, rows: Rows, few: int) -> Summarised:
    """A summary that has no network to train: each of its rows takes the same."""
    for _ in range(2):
        start = time.perf_counter()
        summariser, _ = summary.fit(rows.part(0, few), rows.part(few, few), Run(seed=0))
        seconds = time.perf_counter() - start
    whole = seconds / few * min(rows.number["train"], getattr(summary, "reference", few))
    return Summarised(summariser=summariser, seconds=whole, each=_each(summariser, rows, few))


def _each(summariser: Summariser, rows: Rows, few: int) -> float:
    x = rows.part(0, few).x
    return min(timed(lambda: summariser(x)) for _ in range(TIMES)) / few


def _sizes(rows: Rows, batch: int) -> tuple[int, int]:
    """The rows to learn from, and those held out, in the ratio of the splits."""
    few = min(rows.number["train"], BATCHES * batch)
    return few, max(1, round(few * rows.number["valid"] / rows.number["train"]))


__all__ = ["Summarised", "Trained", "summarise", "train"]
