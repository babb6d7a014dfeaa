"""The fields that an emulator draws where the truth is known.

At each held-out theta every field has its own noise. For the response to one parameter, all theta
of one row share their noise, so that what differs is theta's doing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sbipipe import storage
from sbipipe.emulation.truth import DRAWN, TRUE, Truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import Array, Fields, Generator, Weights
from sbipipe.protocols import Emulator
from sbipipe.seeds import stream


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An emulator's fields at the parameters of a `truth.Truth`.

    Attributes:
        data: What the fields are.
        generated: Fields at its `theta`, with shape (T, m, C, *space).
        response: Fields at its `varied`, one noise a row, with shape (R, V, C, *space).
    """

    data: Fields
    generated: Array
    response: Array


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


def save(path: Path, found: Drawn | Unchecked) -> None:
    """Write drawn fields as single-precision arrays, whole."""
    if isinstance(found, Unchecked):
        storage.save_weights(path, Weights(meta={"unchecked": found.why}))
        return
    arrays = {
        name: np.asarray(getattr(found, name), np.float32) for name in ("generated", "response")
    }
    storage.save_weights(path, Weights(arrays=arrays, meta=storage.describe(found.data)))


def load(path: Path) -> Drawn | Unchecked:
    """Read what `save` wrote."""
    weights = storage.load_weights(path)
    if "unchecked" in weights.meta:
        return Unchecked(weights.meta["unchecked"])
    data = storage.described(weights.meta)
    assert isinstance(data, Fields)
    return Drawn(data=data, **weights.arrays)
