r"""What to try next with a posterior that is withheld, from what its run has left behind.

- A recalibration of it, or another estimator, that is published.
- More steps, where a validation loss still fell when its training ended.
- More simulations, where a learning curve in their number says what they would gain (`budgets`).
  Without one, where that of the weights kept lies above the loss of training. With N rows and p
  effective parameters the difference tends to p / N (Akaike 1974, IEEE Trans. Autom. Control 19,
  716), so that N times as large brings it down by as much.
- Another scale of the pixels, where single ones lie so far out that they hide the others. Vectors
  need none: networks bend those that have tails (`learning.standardise`).
- More test simulations, where those that there are would not show what they must.
- A recalibration that is made for what is wrong, and more networks to choose from.

All networks behind an estimator are looked at: its own, those of the estimators that it mends, and
those of the summary or emulator whose vectors it reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

import numpy as np

from sbipipe import paths, plugins, storage
from sbipipe.budgets.curve import Budget, read
from sbipipe.config import Gate, Params
from sbipipe.gate import words
from sbipipe.gate.power import simulations_needed
from sbipipe.gate.verdict import Advice, Verdict
from sbipipe.interfaces import Array, Fields, History
from sbipipe.learning.schedules import Annealed, Cosine
from sbipipe.seeds import stream

MOST = 4
"""Pieces of advice for one estimator."""

FALL = 0.02
"""Nats that a validation loss must have fallen by over the last quarter of its epochs to count as
still falling; the least that `schedules.Annealed` calls a gain."""

END = 0.05
"""The share of the epochs, at the end, in which the best must lie for that."""

GAP = 0.1
"""Nats between validation and training above which rows are what is lacking."""

SMALL = 0.05
"""Nats that more rows should leave of it."""

MANY = 10
"""Times as many simulations, beyond which their number is no more than a guess."""

FAR = 30.0
"""Standard deviations beyond which a pixel hides the others."""

MENDS: Mapping[str, str] = {
    "overconfident": "tempered",
    "underconfident": "tempered",
    "misshapen": "levels",
}
"""The recalibration that is made for an error."""

WRONG = (*MENDS, "biased")

USE = "sbipipe infer --estimator"
"""How another estimator is used."""


@dataclass(frozen=True)
class Known:
    """What is known of a run when its posteriors are published or withheld.

    Attributes:
        params: The parameters of the run.
        verdicts: The verdict on each estimator.
    """

    params: Params
    verdicts: Mapping[str, Verdict]

    @cached_property
    def about(self) -> Mapping[str, Mapping[str, Any]]:
        """What is written of the simulations, by simulator."""
        names = self.params.simulate
        return {name: dict(storage.open_set(paths.SETS / name).about) for name in names}

    @cached_property
    def budgets(self) -> Mapping[str, Budget]:
        """The learning curves in the number of simulations, by estimator."""
        found = (read(paths.budget_path(name)) for name in self.params.budget)
        return {one.of: one for one in found}

    @cached_property
    def farthest(self) -> Mapping[str, float]:
        """How far out the farthest pixel of `valid` lies, in standard deviations, by simulator of
        fields."""
        found = {name: storage.open_set(paths.SETS / name) for name in self.params.simulate}
        fields = {name: one for name, one in found.items() if isinstance(one.data, Fields)}
        return {name: farthest(one.split("valid").x) for name, one in fields.items()}


def advice(known: Known, name: str) -> tuple[Advice, ...]:
    """What to try next with an estimator, the most promising first; nothing where it is
    published."""
    if known.verdicts[name].published:
        return ()
    return tuple(islice(_all(known, name), MOST))


def remarks(known: Known, name: str) -> tuple[Advice, ...]:
    """What might make a published posterior sharper: training for longer where a validation loss
    still fell at its end, its own or that of a summary behind it; nothing where it is withheld,
    since advice says so."""
    if not known.verdicts[name].published:
        return ()
    found = (_unfinished(known.params, *one) for one in dict.fromkeys(behind(known.params, name)))
    return tuple(islice((one for one in found if one), MOST))


def _all(known: Known, name: str) -> Iterator[Advice]:
    yield from _mended(known, name)
    yield from _test(known, name)
    yield from _sharp(known, name)
    networks = list(_networks(known, name))
    yield from networks
    yield from _pixels(known, name)
    yield from _recalibration(known, name)
    if not networks:
        yield from _effort(known, name)
    yield from _other(known, name)
    if known.verdicts[name].verdict == "uninformative":
        yield from _summary(known, name)


def _mended(known: Known, name: str) -> Iterator[Advice]:
    for other, entry in known.params.recalibrate.items():
        if entry.of == name and known.verdicts[other].published:
            yield Advice(found=f"{other}, made of it, is published", do=f"{USE} {other}")


def _sharp(known: Known, name: str) -> Iterator[Advice]:
    """Surfaces of a higher degree, where many fields have none that is sharp enough."""
    verdict, of = known.verdicts[name], known.params.set_of(name)
    if of in known.params.emulate and verdict.failed > words.MANY * verdict.n_test:
        yield Advice(
            found=f"{verdict.failed} of {verdict.n_test} fields have no posterior, most likely "
            f"since surfaces of {of} are too sharp for their polynomials",
            do=f"a higher degree in emulate.{of}.config (surface, or degree where there is none)",
        )


def _other(known: Known, name: str) -> Iterator[Advice]:
    """Another estimator of the same simulations, the one with the most nats."""
    params = known.params
    simulator = params.simulator_of(params.set_of(name))
    others = [
        other
        for other in params.tested_on[simulator]
        if known.verdicts[other].published and name not in params.mends(other)
    ]
    if others:
        best = max(others, key=lambda other: known.verdicts[other].gain.nats.mean)
        yield Advice(found=f"{best}, of the same simulations, is published", do=f"{USE} {best}")


def _test(known: Known, name: str) -> Iterator[Advice]:
    """More simulations to test with, where that is what withholds it."""
    verdict, params = known.verdicts[name], known.params
    if verdict.verdict != "inconclusive" or verdict.power.suffices:
        return
    simulator = params.simulator_of(params.set_of(name))
    dimension = len(verdict.sharpness.contraction)
    needed = _needed(dimension, len(verdict.tests), params.gate, params.seed)
    found = f"{verdict.n_test} test simulations are too few"
    if needed is not None:
        yield Advice(
            found=f"{found}: it takes {needed}", do=_more(known, simulator, "test", needed)
        )
    width = verdict.power.width_error
    if width is not None and width <= 0.5:
        line = f"gate.width_error: {width:g}"
        yield Advice(found=f"{found}, but good for an error of {100 * width:.0f} %", do=line)


@lru_cache
def _needed(dimension: int, tests: int, gate: Gate, seed: int) -> int | None:
    rng = stream(seed, "advice")
    return simulations_needed(dimension=dimension, tests=tests, gate=gate, rng=rng)


def _more(known: Known, simulator: str, split: str, count: int) -> str:
    """How to have so many simulations in a split."""
    kind = plugins.plugin_class("simulators", known.params.simulate[simulator].kind)
    if hasattr(kind, "simulate"):
        return f"simulate.{simulator}.simulations.{split}: {count}"
    has = known.about[simulator]["simulations"][split]
    return f"add rows to the file of simulate.{simulator}, until {split} has {count} (now {has})"


def behind(params: Params, name: str) -> Iterator[tuple[str, str]]:
    """The section and entry of every network behind an estimator, its own first."""
    for other in params.mends(name):
        yield from behind(params, other)
    if name in params.train:
        yield "train", name
        yield from _made(params, params.train[name].of)


def _made(params: Params, of: str) -> Iterator[tuple[str, str]]:
    if of in params.summarise:
        yield "summarise", of
        yield from _made(params, params.summarise[of].of)
    elif of in params.emulate:
        yield "emulate", of
        yield from _made(params, params.emulate[of].of)
    elif of in params.imitate and params.imitate[of].by in params.emulate:
        yield from _made(params, params.imitate[of].by)
    elif of in params.join:
        yield from _made(params, params.join[of].of)
        yield from _made(params, params.join[of].beside)


def _networks(known: Known, name: str) -> Iterator[Advice]:
    """What the learning curves behind an estimator ask for."""
    params = known.params
    simulator = params.simulator_of(params.set_of(name))
    for section, entry in dict.fromkeys(behind(params, name)):
        history = storage.load_history(paths.history_path(section, entry))
        still = _unfinished(params, section, entry)
        curve = known.budgets.get(entry) if section == "train" else None
        guess = _lacking(known, simulator, entry, gap(history)) if curve is None else None
        found = still or guess or (_affording(known, simulator, curve) if curve else None)
        if found:
            yield found


def _affording(known: Known, simulator: str, curve: Budget) -> Advice | None:
    """More simulations to train on, where the curve says that they would gain something."""
    left, error = curve.law.gain(math.inf)
    times = curve.law.needed(SMALL, MANY) or MANY
    rows = known.about[simulator]["simulations"]["train"]
    count = math.ceil(rows * times / 100) * 100
    gain, uncertain = curve.law.gain(count / rows)
    if left <= SMALL or gain <= uncertain:
        return None
    found = (
        f"trained on shares of them, {curve.of} would gain {gain:.2f} ± {uncertain:.2f} nats from "
        f"{count} simulations, of {left:.2f} ± {error:.2f} from any number"
    )
    return Advice(found=found, do=_more(known, simulator, "train", count))


def _lacking(known: Known, simulator: str, entry: str, excess: float) -> Advice | None:
    """More simulations to train on, where the validation loss exceeds that of training."""
    if excess <= GAP:
        return None
    rows = known.about[simulator]["simulations"]["train"]
    count = math.ceil(rows * excess / SMALL / 100) * 100
    found = f"{entry} fits what it was trained on better than what it was not, by {excess:.2f} nats"
    if count > MANY * rows:
        count, end = MANY * rows, f"it takes more than {MANY} times as many simulations"
    else:
        end = f"{count} simulations would bring that to about {SMALL:g}"
    return Advice(found=f"{found}; {end}", do=_more(known, simulator, "train", count))


def _unfinished(params: Params, section: str, entry: str) -> Advice | None:
    """Longer training, where a curve still fell when it ended."""
    history = storage.load_history(paths.history_path(section, entry))
    return next(_falling(params, section, entry, history), None)


def _falling(params: Params, section: str, entry: str, history: History) -> Iterator[Advice]:
    """The curves that still fell when training ended."""
    for curve in history.curves.values():
        fall = falling(curve["valid"])
        if fall:
            epochs = len(curve["valid"])
            doing = _longer(params, section, entry, epochs)
            yield Advice(
                found=f"{entry} stopped at epoch {epochs}, its validation loss still falling, by "
                f"{fall:.2g} over the last quarter",
                do=doing,
            )


def falling(valid: tuple[float, ...]) -> float:
    """By how much a validation loss fell over the last quarter of its epochs, if it still fell at
    the end; else zero."""
    epochs = len(valid)
    best = int(np.argmin(valid))
    fall = valid[math.floor(0.75 * (epochs - 1))] - valid[best]
    return float(fall) if epochs - 1 - best <= END * epochs and fall > FALL else 0.0


def gap(history: History) -> float:
    """How far the validation loss of the weights that were kept lies above that of training, in
    nats; the largest of all networks, and zero where there is none."""
    gaps = [0.0]
    for name, curve in history.curves.items():
        kept = history.chosen[name] - 1
        gaps.append(curve["valid"][kept] - curve["train"][kept])
    return max(gaps)


def _longer(params: Params, section: str, entry: str, epochs: int) -> str:
    """How to train an entry for longer than so many epochs."""
    schedule = getattr(_plugin(params, section, entry), "optimisation", None)
    where = f"{section}.{entry}.config.optimisation"
    if isinstance(schedule, Annealed):
        return f"{where}.steps: {4 * schedule.steps}"
    return f"{where}.epochs: {2 * epochs}" if isinstance(schedule, Cosine) else where


def _plugin(params: Params, section: str, entry: str) -> Any:
    made = getattr(params, section)[entry]
    return plugins.make(section, made.kind, made.config, f"{section}.{entry}")


def _pixels(known: Known, name: str) -> Iterator[Advice]:
    simulator = known.params.simulator_of(known.params.set_of(name))
    far = known.farthest.get(simulator, 0.0)
    if far > FAR:
        yield Advice(
            found=f"single pixels of {simulator} lie {far:.0f} standard deviations out",
            do="give fields whose values are logarithms, or asinh",
        )


def farthest(x: Array) -> float:
    """How far the farthest pixel of fields (N, C, *space) lies from the mean of its channel, in
    standard deviations."""
    channels = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)
    away = np.abs(channels - channels.mean(1, keepdims=True)).max(1)
    width = channels.std(1)
    return float((away[width > 0] / width[width > 0]).max(initial=0.0))


def _recalibration(known: Known, name: str) -> Iterator[Advice]:
    """The entry of `recalibrate:` that is made for what is wrong, where there is none yet."""
    params, verdict = known.params, known.verdicts[name]
    outcome, where = verdict.verdict, " by region" if _by_region(verdict) else ""
    kind = "tempered" if where else MENDS.get(outcome)
    tried = {entry.kind for entry in params.recalibrate.values() if entry.of == name}
    if kind is None or kind in tried or name in params.recalibrate:
        return
    simulator = params.simulator_of(params.set_of(name))
    line = f"recalibrate: {{{name}+{kind}: {{kind: {kind}, of: {name}}}}}"
    found = f"kind {kind} of `recalibrate:` is made for posteriors that are {outcome}{where}"
    if not known.about[simulator]["simulations"]["calibrate"]:
        found += f"; it needs simulations (simulate.{simulator}.simulations.calibrate)"
    yield Advice(found=found, do=line)


def _by_region(verdict: Verdict) -> bool:
    """Whether the shape is wrong since a width is, by another factor here than there."""
    wrong = (test for test in verdict.tests.values() if not test.passed and test.somewhere)
    return verdict.verdict == "misshapen" and any(test.numbers["width_there"] for test in wrong)


def _effort(known: Known, name: str) -> Iterator[Advice]:
    """More networks to choose from, where not all were tried and something is wrong."""
    params = known.params
    if name in params.train and known.verdicts[name].verdict in WRONG:
        effort = getattr(_plugin(params, "train", name), "effort", "thorough")
        if effort != "thorough":
            more = "standard" if effort == "quick" else "thorough"
            yield Advice(
                found=f"its networks were chosen with effort {effort}, so there are more to try",
                do=f"train.{name}.config.effort: {more}",
            )


def _summary(known: Known, name: str) -> Iterator[Advice]:
    of = known.params.set_of(name)
    yield Advice(
        found=f"what it reads, {of}, may say nothing of the parameters",
        do="another entry of `summarise:`, or more of what was observed",
    )


__all__ = ["Advice", "Known", "advice", "behind", "falling", "farthest", "gap", "remarks"]
