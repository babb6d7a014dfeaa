"""White noise in the place of true and of emulated fields, of any shape."""

from __future__ import annotations

import numpy as np

from sbipipe.emulation.held_out import Emulated, Response
from sbipipe.interfaces import Array


def drawn(shape: tuple[int, ...], *, simulator: bool = True) -> Emulated:
    """Fields of shape (C, *space) whose amplitude is theta.

    Args:
        simulator: Whether there is one; else there is neither a control nor a true response.
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

    return Emulated(
        simulator="noise",
        parameters=("a",),
        quantity="field",
        box=None,
        theta=theta,
        true=draw(9),
        generated=draw(12),
        control=draw(9) if simulator else None,
        response=Response(
            theta=moved,
            generated=respond(),
            true=respond() if simulator else None,
            control=respond() if simulator else None,
        ),
    )
