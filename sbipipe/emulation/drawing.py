"""The fields that an emulator draws where the truth is known.

At each held-out theta every field has its own noise. For the response to one parameter, all theta
of one row share their noise, so that what differs is theta's doing.
"""

from __future__ import annotations

import numpy as np

from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.truth import DRAWN, TRUE, Truth
from sbipipe.interfaces import Array, Generator
from sbipipe.protocols import Emulator
from sbipipe.seeds import stream


def draw(emulator: Emulator, truth: Truth, name: str, root: int) -> Drawn:
    """What an emulator of this name draws.

    Args:
        root: The seed of the run.
    """
    rows = [
        emulator.draw(truth.varied, stream(root, "emulate", name, "response", i), same_noise=True)
        for i in range(TRUE)
    ]
    rng = stream(root, "emulate", name, "held out")
    generated = at_each(emulator, truth.theta, DRAWN, rng)
    return Drawn(data=emulator.data, generated=generated, response=np.stack(rows))


def at_each(emulator: Emulator, theta: Array, count: int, rng: Generator) -> Array:
    """`count` fields at each theta (T, D), with shape (T, count, C, *space)."""
    drawn = emulator.draw(np.repeat(theta, count, 0), rng)
    return drawn.reshape(len(theta), count, *drawn.shape[1:])
