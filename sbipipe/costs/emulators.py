"""What it takes to fit an emulator, to let it draw and score, and to judge what it draws.

Fields are drawn and scored by the model that a trial of the fit left behind. What the judge
measures is measured on noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

import numpy as np

from sbipipe import plugins, runtime
from sbipipe.config import Params
from sbipipe.costs.fits import Fitted, fit
from sbipipe.costs.rows import Rows
from sbipipe.costs.stage import STARTING, Stage
from sbipipe.costs.timing import once_warm
from sbipipe.emulation import birthday
from sbipipe.emulation.measured import RESOLUTION
from sbipipe.emulation.simulating import TRUE
from sbipipe.emulation.true_fields import DRAWN, THETAS, number, varied
from sbipipe.interfaces import SPLITS, Fields
from sbipipe.learning.chebyshev import surface_data
from sbipipe.protocols import EmulatorKind, Scores, Simulator
from sbipipe.records import InputError
from sbipipe.seeds import stream

FEW = 32
"""The fields that are drawn or scored."""

MEASURING = 0.5
"""The share of its time for which the judge measures statistics; the rest compares them."""


def emulated(
    params: Params, simulated: Mapping[str, Rows], each: Mapping[str, float | None]
) -> tuple[list[Stage], dict[str, Rows]]:
    """The stages of all entries of `emulate:`, and the surfaces of those that score, by name.

    Args:
        simulated: The sets of the entries of `simulate:`, by name.
        each: The seconds of one simulation on one of the workers, by entry of `simulate:`; None for
            simulations made elsewhere, which are not made again.
    """
    device, fitted = runtime.device(params.runtime), dict[str, Fitted]()
    stages, scored = list[Stage](), dict[str, Rows]()
    drawn = dict[str, Fields]()
    for name in sorted(params.emulate, key=lambda name: _depth(params, name)):
        rows = simulated[params.simulator_of(name)]
        begun = fitted.get(params.emulate[name].of)
        begins = None if begun is None else begun.emulator
        kind = plugins.emulator(params, name)
        try:
            fitted[name] = fit(kind, rows, device, begins)
        except InputError as error:
            problems = (f"emulate.{name}.{problem}" for problem in error.problems)
            raise InputError(*problems) from error
        stages += _stages(params, name, kind, rows, fitted[name])
        emulator = fitted[name].emulator
        drawn[name] = emulator.data
        if isinstance(emulator, Scores):
            scored[name] = _surfaces(rows, emulator)
    for name in dict.fromkeys(params.simulator_of(name) for name in params.emulate):
        stages.append(_truth(params, name, simulated[name], each.get(name)))
    if drawn:
        stages.append(_judged(params, drawn))
    return stages, scored


def _depth(params: Params, name: str) -> int:
    """How many emulators an emulator follows."""
    of = params.emulate[name].of
    return 1 + _depth(params, of) if of in params.emulate else 0


def _stages(
    params: Params, name: str, kind: EmulatorKind, rows: Rows, fitted: Fitted
) -> Iterator[Stage]:
    """The stages of one entry, whose simulator has these rows."""
    emulator = fitted.emulator
    of = f"{rows.number['train']} fields"
    yield Stage(name=f"emulate@{name}", seconds=STARTING + fitted.seconds, of=of)
    fields = sum(_scored(params, name, rows, s) for s in SPLITS if isinstance(emulator, Scores))
    seconds = fields * _score(cast(Scores, emulator), rows) if fields else 0.0
    yield Stage(name=f"score@{name}", seconds=STARTING + seconds, of=f"{fields} fields")
    theta = rows.part(0, FEW).theta
    many = birthday.number(kind, params.judge.birthday)
    held_out, moved = THETAS * DRAWN, TRUE * varied(len(rows.prior.names))
    fields = held_out + moved + params.judge.fields + many
    seconds = fields * once_warm(lambda: emulator.draw(theta, stream(0, "trial"))) / FEW
    yield Stage(name=f"draw_fields@{name}", seconds=STARTING + seconds, of=f"{fields} fields")


def _surfaces(rows: Rows, emulator: Scores) -> Rows:
    """The set that an emulator scores: of the right shape, with coefficients of noise."""
    data = surface_data(len(rows.prior.names), emulator.degree)
    x = 0.1 * stream(0, "trial").standard_normal((len(rows.some), *data.shape))
    return replace(rows, some=replace(rows.some, data=data, x=x, log_likelihood=None))


def _truth(params: Params, name: str, rows: Rows, each: float | None) -> Stage:
    """The true fields of an entry of `simulate:`, of which one simulation takes `each` seconds."""
    simulator = plugins.simulator(params, name)
    seconds, of = 0.0, "nothing to simulate"
    if isinstance(simulator, Simulator) and each is not None:
        posteriors = min(params.judge.posteriors, rows.simulations["test"])
        count = number(simulator, len(rows.prior.names), params.judge.fields, posteriors)
        seconds, of = count * each / params.runtime.workers, f"{count} simulations"
    return Stage(name=f"truth@{name}", seconds=STARTING + seconds, of=of)


def _judged(params: Params, drawn: Mapping[str, Fields]) -> Stage:
    """The judge, which measures every statistic of every field.

    Args:
        drawn: What each emulator draws, by name.
    """
    seconds, total = 0.0, 0
    for name, data in drawn.items():
        simulates = isinstance(plugins.simulator(params, params.simulator_of(name)), Simulator)
        fields = (DRAWN + 2 * TRUE) * THETAS + 3 * params.judge.fields * simulates
        seconds += fields * _measured(data) / MEASURING
        total += fields
    at_once = min(params.runtime.workers, len(drawn))
    return Stage(name="judge", seconds=STARTING + seconds / at_once, of=f"{total} fields")


def _measured(data: Fields) -> float:
    """The seconds of all statistics of a field."""
    x = stream(0, "trial").standard_normal((FEW, *data.shape)).astype(np.float32)
    kinds = [kind for kind in plugins.statistics_of(data).values() if not kind.obstacle(data)]
    statistics = [kind.of(x, data, RESOLUTION) for kind in kinds]
    return once_warm(lambda: [one.measure(x, data) for one in statistics]) / FEW


def _score(emulator: Scores, rows: Rows) -> float:
    """The seconds of one field's surface."""
    return once_warm(lambda: emulator.scored(rows.part(0, FEW).x)) / FEW


def _scored(params: Params, name: str, rows: Rows, split: str) -> int:
    """The fields of a split that are scored: of a test simulation, one."""
    if split not in params.emulate[name].score:
        return 0
    return rows.simulations[split] if split == "test" else rows.number[split]


__all__ = ["emulated"]
