"""Groups of settings of the diffusion model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sbipipe.config import Count, Positive, plugin
from sbipipe.emulators.diffusion.schedule import Terms
from sbipipe.learning.training import Optimisation


@plugin
class Network:
    """The size of the U-Net (`diffusion.network`).

    Attributes:
        width: Features on the finest grid.
        multipliers: Features of each level, in units of `width`; each level halves the grid.
        blocks: Residual blocks of each level.
        attention_below: Cells attend to each other on levels with at most so many; 0 for none.
        compile: Whether torch compiles it, which takes minutes once and a C++ compiler; for GPUs
            and long trainings.
    """

    width: Positive = 16
    multipliers: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 2)
    blocks: Positive = 1
    attention_below: Count = 0
    compile: bool = False


@plugin
class Scoring:
    """How the bound of a field is computed.

    Attributes:
        terms: Terms of the bound: "all", "first_20", "l0", or a list of steps of the chain.
        levels: Noise levels of one draw, for "all".
        draws: Draws of noise for each field.
        sharpest: Nats that the terms of the highest degree may weigh together, at most: a surface
            where they weigh more is too sharp for its polynomial, and its field is refused.
    """

    terms: Terms = "all"
    levels: Positive = 64
    draws: Annotated[int, Field(ge=2)] = 2
    sharpest: Annotated[float, Field(gt=0)] = 3.0


def default_optimisation() -> Optimisation:
    """How a network on a laptop is trained."""
    return Optimisation(epochs=20, patience=20, batch=64, learning_rate=2e-3, ema=0.995)


__all__ = ["Network", "Scoring", "default_optimisation"]
