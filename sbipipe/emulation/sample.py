"""Many true fields at one theta, twice, beside which an emulator sets as many of its own.

They come in whole simulations: the fields of one simulation resemble each other more than those of
any other, so what is permuted, and what a fold of a cross-validation holds, is a simulation. The
theta is the fiducial one of `true_fields`, the middle of the prior.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sbipipe.interfaces import Array

FEWEST = 5
"""Simulations in a sample, at least: 252 ways to divide twice as many, and one for each fold."""


@dataclass(frozen=True, kw_only=True)
class TrueSample:
    """True fields at one theta.

    Attributes:
        theta: The parameters, with shape (D,).
        true: Fields of G simulations with shape (G, e, C, *space), e of each.
        control: The same from other seeds.
    """

    theta: Array
    true: Array
    control: Array

    @property
    def fields(self) -> int:
        """The number of true fields, and of those of the control."""
        return int(np.prod(self.true.shape[:2]))

    def mapped(self, change: Callable[[Array], Array]) -> TrueSample:
        """The same with other fields."""
        return replace(self, true=change(self.true), control=change(self.control))

    @property
    def arrays(self) -> dict[str, Array]:
        """What is kept in a file."""
        return {
            "sample/theta": self.theta,
            "sample/true": np.asarray(self.true, np.float32),
            "sample/control": np.asarray(self.control, np.float32),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, Array]) -> TrueSample | None:
        """What `arrays` gave, where it is among these."""
        if "sample/theta" not in arrays:
            return None
        return cls(
            theta=arrays["sample/theta"],
            true=arrays["sample/true"],
            control=arrays["sample/control"],
        )


__all__ = ["FEWEST", "TrueSample"]
