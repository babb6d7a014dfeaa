"""What it takes to fit an emulator, to let it draw and score, and to judge what it draws.

Fields are drawn and scored by the model that a trial of the fit left behind, and the judge is tried
on noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np

from sbipipe import plugins, runtime
from sbipipe.config import FEWEST_FIELDS, Params
from sbipipe.costs.fits import Fitted, fit
from sbipipe.costs.rows import Rows
from sbipipe.costs.stage import STARTING, Stage
from sbipipe.costs.timing import line, once_warm, timed
from sbipipe.emulation import true_fields
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judge import judge
from sbipipe.emulation.sample import FEWEST, TrueSample
from sbipipe.emulation.simulating import TRUE
from sbipipe.emulation.truth import TrueResponse, Truth
from sbipipe.interfaces import SPLITS, Array, Fields
from sbipipe.learning.chebyshev import surface_data
from sbipipe.protocols import Scores, Simulator
from sbipipe.seeds import stream

FEW = 32
"""The fields that are drawn or scored."""

TRAINING = 1_024
"""The training fields that the judge is given, at most."""

JUDGED = (2, 4)
"""The held-out parameters with which the judge is tried."""


def emulated(
    params: Params, name: str, rows: Rows, device: str, fitted: dict[str, Fitted]
) -> Iterator[Stage]:
    """The stages of an entry of `emulate:` before its judge.

    Args:
        rows: Those of its simulator.
        fitted: The emulators so far, by name, to which this one is added.
    """
    begun = fitted.get(params.emulate[name].of)
    begins = None if begun is None else begun.emulator
    found = fit(plugins.emulator(params, name), rows, device, begins)
    fitted[name] = found
    of = f"{rows.number['train']} fields"
    yield Stage(name=f"emulate@{name}", seconds=STARTING + found.seconds, of=of)
    scores = isinstance(found.emulator, Scores)
    number = sum(_scored(params, name, rows, split) for split in SPLITS if scores)
    seconds = number * _score(cast(Scores, found.emulator), rows) if number else 0.0
    yield Stage(name=f"score@{name}", seconds=STARTING + seconds, of=f"{number} fields")
    number, theta = _drawn(params, len(rows.prior.names)), rows.part(0, FEW).theta
    seconds = number * once_warm(lambda: found.emulator.draw(theta, stream(0, "trial"))) / FEW
    yield Stage(name=f"draw_fields@{name}", seconds=STARTING + seconds, of=f"{number} fields")


def surfaces(rows: Rows, emulator: Scores) -> Rows:
    """The set that an emulator scores: of the right shape, with coefficients of noise."""
    data = surface_data(len(rows.prior.names), emulator.degree)
    x = 0.1 * stream(0, "trial").standard_normal((len(rows.some), *data.shape))
    return replace(rows, some=replace(rows.some, data=data, x=x, log_likelihood=None))


def truth(params: Params, name: str, rows: Rows, each: float | None) -> Stage:
    """The true fields of an entry of `simulate:`.

    Args:
        each: The seconds of one simulation on one of the workers; None for simulations made
            elsewhere, which are not made again.
    """
    simulator = plugins.simulator(params, name)
    seconds, of = 0.0, "nothing to simulate"
    if isinstance(simulator, Simulator) and each is not None:
        number = true_fields.number(simulator, len(rows.prior.names), params.judge.fields)
        seconds, of = number * each / params.runtime.workers, f"{number} simulations"
    return Stage(name=f"truth@{name}", seconds=STARTING + seconds, of=of)


def judging(params: Params, simulator: str, rows: Rows, data: Fields) -> tuple[float, int]:
    """The seconds of the judge of an emulator of an entry of `simulate:`, and the fields that it
    looks at.

    Args:
        data: What the emulator draws.
    """
    simulates = isinstance(plugins.simulator(params, simulator), Simulator)
    asked = params.judge.fields if simulates else 0
    short = [(thetas, min(asked, thetas * FEWEST_FIELDS)) for thetas in JUDGED]
    with runtime.parallel(params.runtime):
        took = [_judge(rows, data, *one) for one in (short[0], *short)][1:]
    sizes = [_looked_at(*one) for one in short]
    whole = _looked_at(true_fields.THETAS, asked)
    return line(sizes, np.array(took), whole), whole


def _score(emulator: Scores, rows: Rows) -> float:
    """The seconds of one field's surface."""
    return once_warm(lambda: emulator.scored(rows.part(0, FEW).x)) / FEW


def _scored(params: Params, name: str, rows: Rows, split: str) -> int:
    """The fields of a split that are scored: of a test simulation, one."""
    if split not in params.emulate[name].score:
        return 0
    return rows.simulations[split] if split == "test" else rows.number[split]


def _drawn(params: Params, parameters: int) -> int:
    """The fields that are drawn for the judge."""
    held_out, varied = true_fields.THETAS * true_fields.DRAWN, true_fields.varied(parameters)
    return held_out + TRUE * varied + params.judge.fields


def _looked_at(thetas: int, fields: int) -> int:
    """Fields of all sorts: generated, true, and control."""
    return thetas * (true_fields.DRAWN + 2 * TRUE) + 3 * fields


def _judge(rows: Rows, data: Fields, thetas: int, fields: int) -> float:
    """Seconds for noise at so many held-out parameters, and so many fields at one place."""
    rng = stream(0, "trial judge")

    def noise(*shape: int) -> Array:
        return rng.standard_normal((*shape, *data.shape), np.float32)

    D, parts = len(rows.prior.names), (FEWEST, max(1, fields // FEWEST))
    V = true_fields.varied(D)
    sample = TrueSample(theta=np.zeros(D), true=noise(*parts), control=noise(*parts))
    true = Truth(
        simulator="trial",
        parameters=rows.prior.names,
        data=data,
        theta=rows.prior.sample(thetas, rng),
        true=noise(thetas, TRUE),
        control=noise(thetas, TRUE),
        varied=rows.prior.sample(V, rng),
        response=TrueResponse(true=noise(TRUE, V), control=noise(TRUE, V), each=1),
        sample=sample if fields else None,
    )
    drawn = Drawn(
        data=data,
        generated=noise(thetas, true_fields.DRAWN),
        response=noise(TRUE, V),
        sample=noise(*parts) if fields else None,
    )
    training = noise(min(rows.number["train"], TRAINING))
    return timed(lambda: judge(true, drawn, training, 0))


__all__ = ["emulated", "judging", "surfaces", "truth"]
