"""True lognormal maps beside those of `LognormalEmulator`, at its right and at a wrong sigma_8."""

from __future__ import annotations

from functools import cache

import numpy as np

from lognormal_emulator import SIMULATOR, LognormalEmulator
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judge import judge
from sbipipe.emulation.judgement import Judgement
from sbipipe.emulation.sample import TrueSample
from sbipipe.emulation.truth import TrueResponse, Truth
from sbipipe.interfaces import Array
from sbipipe.seeds import stream

THETA = SIMULATOR.prior.sample(10, stream(0, "theta"))


def _moved() -> Array:
    """The middle of the prior, then one parameter at a time at a few of its quantiles."""
    q = np.full((9, 2), 0.5)
    for i in range(2):
        q[1 + 4 * i : 5 + 4 * i, i] = 0.1, 0.3, 0.7, 0.9
    return SIMULATOR.prior.from_unit(q)


def fields(count: int, label: str, factor: float = 1.0) -> Array:
    """`count` maps at every theta, (10, count, 1, 16, 16), at `factor` times its sigma_8."""
    rows = LognormalEmulator(factor).draw(np.repeat(THETA, count, 0), stream(0, label))
    return rows.reshape(len(THETA), count, 1, 16, 16)


def _response(label: str, factor: float = 1.0) -> Array:
    """15 rows that share their noise, (15, 9, 1, 16, 16)."""
    emulator = LognormalEmulator(factor)
    rows = [emulator.draw(_moved(), stream(0, label, i), same_noise=True) for i in range(15)]
    return np.stack(rows)


def sample(label: str, factor: float = 1.0) -> Array:
    """200 maps at the middle of the prior, five of each simulation, (40, 5, 1, 16, 16)."""
    rows = LognormalEmulator(factor).draw(np.repeat(_moved()[:1], 200, 0), stream(0, label, "many"))
    return rows.reshape(40, 5, 1, 16, 16)


@cache
def truth() -> Truth:
    """Maps of the simulator."""
    return Truth(
        simulator="maps",
        parameters=SIMULATOR.prior.names,
        data=SIMULATOR.data,
        theta=THETA,
        true=fields(15, "true"),
        control=fields(15, "control"),
        varied=_moved(),
        response=TrueResponse(true=_response("of true"), control=_response("of control"), each=1),
        sample=TrueSample(theta=_moved()[0], true=sample("true"), control=sample("control")),
    )


@cache
def judged(factor: float = 1.0) -> Judgement:
    """What is said of the emulator."""
    drawn = Drawn(
        data=SIMULATOR.data,
        generated=fields(50, "generated", factor),
        response=_response("of generated", factor),
        sample=sample("generated", factor),
    )
    found = judge(truth(), drawn, fields(20, "training").reshape(-1, 1, 16, 16), 0)
    assert isinstance(found, Judgement)
    return found
