"""The fields that an emulator draws where the truth is known.

At each held-out theta, and among the many at one theta, every field has its own noise. For the
response to one parameter, all theta of one row share their noise, so that what differs is theta's
doing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sbipipe.emulation.birthday import drawn, read_true
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.sample import TrueSample
from sbipipe.emulation.simulating import TRUE
from sbipipe.emulation.true_fields import DRAWN
from sbipipe.emulation.truth import Truth
from sbipipe.interfaces import Array, Generator
from sbipipe.protocols import Emulator
from sbipipe.seeds import stream


def draw(
    emulator: Emulator,
    truth: Truth,
    name: str,
    root: int,
    seen: Mapping[str, str] | None = None,
    birthday: int = 0,
) -> Drawn:
    """What an emulator of this name draws.

    Args:
        root: The seed of the run.
        seen: How it has seen a statistic before, by name.
        birthday: The number of fields of the birthday test, where there is a sample.
    """
    rows = [
        emulator.draw(truth.varied, stream(root, "emulate", name, "response", i), same_noise=True)
        for i in range(TRUE)
    ]
    rng = stream(root, "emulate", name, "held out")
    generated = at_each(emulator, truth.theta, DRAWN, rng)
    features, read = {}, {}
    if truth.sample is not None and birthday:
        rng, sample = stream(root, "emulate", name, "birthday"), truth.sample
        features = drawn(emulator, sample.theta, birthday, rng)
        read = read_true(emulator, sample)
    return Drawn(
        data=emulator.data,
        generated=generated,
        response=np.stack(rows),
        sample=None if truth.sample is None else _sample(emulator, truth.sample, name, root),
        features=features,
        read=read,
        seen=seen or {},
    )


def _sample(emulator: Emulator, sample: TrueSample, name: str, root: int) -> Array:
    """As many fields as a sample has, in parts as large as a simulation."""
    rng = stream(root, "emulate", name, "sample")
    (fields,) = at_each(emulator, sample.theta[None], sample.fields, rng)
    parts: Array = fields.reshape(*sample.true.shape[:2], *fields.shape[1:])
    return parts


def at_each(emulator: Emulator, theta: Array, count: int, rng: Generator) -> Array:
    """`count` fields at each theta (T, D), with shape (T, count, C, *space)."""
    drawn = emulator.draw(np.repeat(theta, count, 0), rng)
    return drawn.reshape(len(theta), count, *drawn.shape[1:])
