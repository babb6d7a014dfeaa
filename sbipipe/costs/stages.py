"""What each stage of a run will take, from trials on rows of the right shape.

A step of a network, a draw and a test are timed; how many there will be is known, but for the steps
after which training no longer pays. `ENDS` of them are taken to be enough; problems need from half
to twice as many. Which network is chosen is not known either: the mean over those that are tried
stands for it, so an estimate may be two or three times too large or too small. Posteriors are drawn
from as if they were normal (`typical`); others take longer.

What ran before as it is now takes as long again. Otherwise recalibrations of recalibrations or of
two sets are not estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from sbipipe import plugins, runtime
from sbipipe.config import Imitate, Params
from sbipipe.costs.before import Before
from sbipipe.costs.rows import Rows
from sbipipe.costs.sets import beside
from sbipipe.costs.stage import STARTING, Stage
from sbipipe.costs.trial import Summarised, summarise, train
from sbipipe.costs.typical import Typical, typical
from sbipipe.interfaces import Run, Vectors
from sbipipe.learning import guide
from sbipipe.learning.portfolio import GROWTH, RUNG
from sbipipe.posteriors.drawing import draw
from sbipipe.protocols import Posterior, Recalibration, Targeted
from sbipipe.records import InputError
from sbipipe.seeds import stream

ENDS = 2_000
"""The steps of the optimiser after which training no longer pays."""

BRIEF = {"guide": guide.STEPS}
"""The steps of networks that are not trained to the end, by label."""

FEW = 32
"""The observations that are drawn for, at most."""

MENDED = 40
"""The rows that a recalibration is tried on."""


def stages(
    params: Params, made: Mapping[str, Rows], last: Before, emulated: Iterable[Stage] = ()
) -> Iterator[Stage]:
    """What makes summaries, emulators and estimators, and draws from these, in the order of
    `params.yaml`.

    Args:
        made: The sets of the entries of `simulate:`, and the surfaces of emulators, by name.
        last: What stages took before.
        emulated: The stages of emulators (`emulators`).
    """
    sets = dict(made)
    took = last.stages({name: rows.simulations["test"] for name, rows in sets.items()})
    names = [*_names(params)]
    tried = () if took.keys() >= set(names) else _tried(params, sets)
    found = {one.name: one for one in (*emulated, *tried)}
    for name in dict.fromkeys([*names, *found]):
        if name in took:
            yield Stage(name=name, seconds=STARTING + took[name], of="as it took the last time")
        else:
            yield found.get(name, Stage(name=name, seconds=None, of="not estimated"))


def _names(params: Params) -> Iterator[str]:
    """The stages that can be known, in the order in which they run."""
    for stage, names in params.recorded.items():
        if stage != "simulate":
            yield from (f"{stage}@{name}" for name in names)
        if stage == "train":
            yield from (f"draw@{name}" for name in names)
        if stage == "score":
            of = dict.fromkeys(params.simulator_of(name) for name in names)
            yield from (f"truth@{name}" for name in of)
            yield from (f"draw_fields@{name}" for name in names)
            if names:
                yield "judge"


def _tried(params: Params, sets: dict[str, Rows]) -> Iterator[Stage]:
    """All else that a trial can be made of."""
    device = runtime.device(params.runtime)
    sets |= {name: _imitated(entry, sets[entry.of]) for name, entry in params.imitate.items()}
    yield from _summaries(params, sets, device)
    for name, entry in params.join.items():
        if entry.of in sets and entry.beside in sets:
            sets[name] = beside(sets[entry.of], sets[entry.beside])
    fitted: dict[str, Typical] = {}
    for name in params.estimators:
        of = params.set_of(name)
        if of in sets and name in params.train:
            yield from _trained(params, name, sets[of], device, fitted)
        elif of in sets:
            yield from _mended(params, name, sets[of], fitted)


def _summaries(params: Params, sets: dict[str, Rows], device: str) -> Iterator[Stage]:
    """The summaries, whose vectors become sets."""
    for name, entry in params.summarise.items():
        rows, summary = sets[entry.of], plugins.summary(params, name)
        found = summarise(summary, rows, device)
        every = sum(rows.number.values())
        shared = 1 if hasattr(summary, "optimisation") else params.runtime.workers
        seconds = STARTING + found.seconds + found.each * every / shared
        yield Stage(name=f"summarise@{name}", seconds=seconds, of=f"{every} rows")
        sets[name] = _vectors(rows, found)


def _imitated(entry: Imitate, rows: Rows) -> Rows:
    """Rows like those that are imitated, as many as are asked for."""
    own = {"train": entry.train, "valid": entry.valid}
    counts = {split: count for split, count in own.items() if count}
    return replace(
        rows, number={**rows.number, **counts}, simulations={**rows.simulations, **counts}
    )


def _vectors(rows: Rows, found: Summarised) -> Rows:
    some = rows.part(0, min(len(rows.some), 2048))
    data = Vectors(components=tuple(found.summariser.names))
    x = found.summariser(some.x)
    return replace(rows, some=replace(some, data=data, x=x, log_likelihood=None))


def _trained(
    params: Params,
    name: str,
    rows: Rows,
    device: str,
    fitted: dict[str, Typical],
) -> Iterator[Stage]:
    """Training and drawing of an estimator, and its learning curves."""
    estimator: Any = plugins.estimator(params, name)
    found = train(estimator, rows, device)
    fitted[name] = typical(found.posterior, rows.prior, rows.part(0, FEW).x)
    steps = getattr(getattr(estimator, "optimisation", None), "steps", ENDS)
    tried = len({label.partition(" trial ")[0] for label in found.steps})
    of = f"{tried} networks on {rows.number['train']} rows" if found.steps else "nothing to learn"
    seconds = training_seconds(found.steps, steps)
    yield Stage(name=f"train@{name}", seconds=STARTING + seconds, of=of)
    each = _drawing(params, fitted[name], fitted[name].posterior, rows)
    n = rows.simulations["test"]
    yield Stage(name=f"draw@{name}", seconds=STARTING + each * n, of=_draws(params, n))
    for budget, entry in params.budget.items():
        if entry.of == name:
            shares = sum(math.sqrt(share) for share in entry.shares)
            of = f"{name} on {len(entry.shares)} shares of the simulations"
            yield Stage(name=f"budget@{budget}", seconds=STARTING + shares * seconds, of=of)


def training_seconds(steps: Mapping[str, float], most: int) -> float:
    """Of trials in rounds, and of the best to its end.

    Args:
        steps: The seconds of a step, by label: "<network> trial <round>" for one of a trial, the
            network's name for one that is trained to its end.
        most: The largest number of steps.
    """
    first = {k.partition(" trial ")[0]: v for k, v in steps.items() if k.endswith(" trial 1")}
    ends = {label: seconds for label, seconds in steps.items() if " trial " not in label}
    alone = {label: seconds for label, seconds in ends.items() if label not in first}
    total = sum(each * min(BRIEF.get(label, ENDS), most) for label, each in alone.items())
    if not first:
        return total
    mean, chosen = float(np.mean([*first.values()])), [k for k in ends if k in first]
    left, rung = len(first), 0
    while left > len(chosen):
        total += left * mean * min(RUNG * GROWTH**rung, most)
        left, rung = max(len(chosen), left // 2), rung + 1
    together = [ends[label] / first[label] for label in chosen]
    return total + mean * sum(together) * min(ENDS, most)


def _mended(params: Params, name: str, rows: Rows, fitted: dict[str, Typical]) -> Iterator[Stage]:
    """A recalibration: its fit, and drawing."""
    entry = params.recalibrate[name]
    others = params.mends(name)
    if any(one not in fitted or params.set_of(one) != params.set_of(name) for one in others):
        return
    raw, kind = fitted[entry.of], plugins.recalibration(params, name)
    if entry.target is not None:
        kind = cast(Targeted, kind).towards(fitted[entry.target].posterior)
    mended, seconds = raw.timed(lambda: _fit(cast(Recalibration, kind), raw.posterior, rows))
    number = min(getattr(kind, "rows", rows.number["calibrate"]), rows.number["calibrate"])
    each = _drawing(params, raw, mended or raw.posterior, rows)
    n = rows.simulations["test"]
    whole = STARTING + seconds / MENDED * number + each * n
    yield Stage(name=f"recalibrate@{name}", seconds=whole, of=_draws(params, n))


def _fit(kind: Recalibration, raw: Posterior, rows: Rows) -> Posterior | None:
    """The mended posterior; nothing where one that has not learned cannot be mended."""
    try:
        return kind.fit(raw, rows.part(0, MENDED), rows.prior, Run(seed=0))[0]
    except InputError:
        return None


def _draws(params: Params, n: int) -> str:
    return f"{params.draw.draws} draws for each of {n} simulations"


def _drawing(params: Params, asked: Typical, posterior: Posterior, rows: Rows) -> float:
    """Seconds for one test simulation.

    Args:
        asked: What counts the values of a density that the posterior needs.
    """
    few = min(FEW, rows.simulations["test"])
    test = rows.part(0, few)
    _, seconds = asked.timed(
        lambda: draw(posterior, test, rows.prior, params.draw, stream(0, "trial"))
    )
    return seconds / few


__all__ = ["stages", "training_seconds"]
