"""The shapes of conditional densities: which of them, and how large; and those worth trying.

`auto` tries a portfolio (`portfolio`): spline flows for what is sharp or curved, affine flows for
what is smooth and of many dimensions, a mixture of Gaussians for what has few modes. The first of
it is right most often.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Self

import numpy as np
from pydantic import AfterValidator
from torch import Tensor

from sbipipe.interfaces import Weights
from sbipipe.learning.densities import (
    DENSITIES,
    SPLINE_DIMENSIONS,
    STACKED,
    ConditionalDensity,
    build_density,
)
from sbipipe.learning.ensembles import Ensemble
from sbipipe.learning.members import load_members
from sbipipe.learning.portfolio import Candidate, Effort


@dataclass(frozen=True)
class Shape:
    """A conditional density but for its weights.

    Attributes:
        density: One of `densities.DENSITIES`.
        hidden: The units in each hidden layer.
        transforms: The number of transforms of a flow.
    """

    density: str
    hidden: int
    transforms: int

    @property
    def name(self) -> str:
        """All of it: "zuko_nsf 64x5"."""
        return f"{self.density} {self.hidden}x{self.transforms}"

    @property
    def halved(self) -> Self:
        """Half as wide."""
        return replace(self, hidden=max(self.hidden // 2, 1))

    @classmethod
    def named(cls, name: str) -> Self:
        """The shape of this name."""
        density, sizes = name.split(" ")
        hidden, transforms = map(int, sizes.split("x"))
        return cls(density, hidden, transforms)


PORTFOLIO = {
    "quick": (Shape("zuko_nsf", 64, 3), Shape("zuko_maf", 64, 5)),
    "standard": (
        Shape("zuko_nsf", 64, 5),
        Shape("zuko_maf", 64, 5),
        Shape("zuko_nsf", 128, 3),
        Shape("zuko_maf", 128, 5),
        Shape("mdn", 64, 1),
    ),
    "thorough": (
        Shape("zuko_nsf", 64, 5),
        Shape("zuko_maf", 64, 5),
        Shape("zuko_nsf", 128, 3),
        Shape("mdn", 64, 1),
        Shape("zuko_nsf", 128, 8),
        Shape("zuko_maf", 128, 8),
        Shape("nsf", 64, 5),
        Shape("maf_rqs", 64, 5),
    ),
}
"""What `auto` tries, by effort."""

FINALISTS = {"quick": 1, "standard": 1, "thorough": 3}
"""How many of them are trained to the end."""


def _known(name: str) -> str:
    if name not in (*DENSITIES, "auto"):
        raise ValueError(f"allowed: auto, {', '.join(DENSITIES)}")
    return name


DensityName = Annotated[str, AfterValidator(_known)]
"""The type of a plugin's field that names a density."""


def shapes(
    density: str, hidden: int | None, transforms: int | None, effort: Effort, dimensions: int
) -> tuple[Shape, ...]:
    """The shapes to try: those of the portfolio, or the one that is named.

    Args:
        dimensions: Of what the density is over.
    """
    if density == "auto":
        smooth = effort != "thorough" and dimensions > SPLINE_DIMENSIONS
        found = [s for s in PORTFOLIO[effort] if not (smooth and "nsf" in s.density)]
        return tuple(found[:1] if effort == "quick" else found)
    return (Shape(density, hidden or 64, transforms or 5),)


def require_one(density: str, hidden: int | None, transforms: int | None) -> None:
    """Raise ValueError for sizes that `auto` would not heed."""
    given = {"hidden": hidden, "transforms": transforms}
    for name, value in given.items():
        if density == "auto" and value is not None:
            raise ValueError(
                f"{name}: given {value} beside density: auto, which chooses it; allowed: with a "
                "density that is named"
            )


def halves(density: str, effort: Effort) -> bool:
    """Whether half as wide densities may join: not one that is named, nor where time is short."""
    return density == "auto" and effort != "quick"


def candidates(
    found: Iterable[Shape],
    inputs: Tensor,
    conditions: Tensor,
    *,
    halves: bool = False,
    **embedding: Any,
) -> tuple[Candidate, ...]:
    """The densities of these shapes for such rows.

    Args:
        halves: Whether half as wide ones may join those of vectors.
        embedding: What else `build_density` is told of the conditions.
    """

    def build(shape: Shape, _: int) -> ConditionalDensity:
        return build_density(
            density=shape.density,
            hidden=shape.hidden,
            transforms=shape.transforms,
            inputs=inputs,
            conditions=conditions,
            **embedding,
        )

    def candidate(shape: Shape, halves: bool) -> Candidate:
        return Candidate(
            name=shape.name,
            build=partial(build, shape),
            stacked=shape.density in STACKED and conditions.ndim == 2,
            smaller=candidate(shape.halved, False) if halves else None,
        )

    return tuple(candidate(shape, halves and conditions.ndim == 2) for shape in found)


def restored(
    weights: Weights, inputs: Tensor, conditions: Tensor, device: str, **embedding: Any
) -> Ensemble:
    """The ensemble that gave these weights, whose meta names the shapes of its `members`."""
    names = weights.meta["members"]
    found = candidates(map(Shape.named, names), inputs, conditions, **embedding)
    members = load_members([one.build for one in found], weights.arrays, device)
    return Ensemble(members=members, weights=np.asarray(weights.arrays["weights"]))
