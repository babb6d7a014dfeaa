"""White noise in the place of true and of emulated fields, of any shape."""

from __future__ import annotations

import numpy as np

from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.truth import TrueResponse, Truth
from sbipipe.interfaces import Array, Fields, Geometry


def drawn(
    shape: tuple[int, ...], *, simulator: bool = True, periodic: bool = True
) -> tuple[Truth, Drawn]:
    """Fields of shape (C, *space) whose amplitude is theta.

    Args:
        simulator: Whether there is one; else there is neither a control nor a true response.
        periodic: Whether opposite sides of the fields are said to meet.
    """
    rng = np.random.default_rng(0)
    theta = rng.uniform(1, 2, (4, 1))
    moved = np.array([[1.5], [1.1], [1.9]])

    def draw(count: int) -> Array:
        noise = rng.standard_normal((4, count, *shape))
        return noise * theta.reshape(4, 1, *[1] * len(shape))

    def respond() -> Array:
        noise = rng.standard_normal((6, 1, *shape))
        return noise * moved.reshape(1, 3, *[1] * len(shape))

    true, generated = draw(9), draw(12)
    control = draw(9) if simulator else None
    answer = respond()
    truth = Truth(
        simulator="noise",
        parameters=("a",),
        data=Fields(
            geometry=Geometry(pixels=shape[1:], periodic=periodic),
            channels=tuple(f"channel {c}" for c in range(shape[0])),
        ),
        theta=theta,
        true=true,
        control=control,
        varied=moved,
        response=TrueResponse(true=respond(), control=respond(), each=1) if simulator else None,
    )
    return truth, Drawn(data=truth.data, generated=generated, response=answer)
