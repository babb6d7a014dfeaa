"""The data themselves, for simulations that are short vectors already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbipipe.config import plugin
from sbipipe.interfaces import Array, Dataset, History, InputError, Run, Summariser, Weights

__all__ = ["Identity"]


@plugin
class Identity:
    """Hands vectors (N, L) on unchanged."""

    def fit(self, train: Dataset, valid: Dataset, run: Run) -> tuple[Summariser, History]:
        """Learns nothing; raises InputError for fields."""
        return _Identity(components=_components(train.x)), History()

    def restore(self, weights: Weights) -> Summariser:
        """The summariser for as many components."""
        return _Identity(components=int(weights.meta["components"]))


@dataclass(frozen=True, kw_only=True)
class _Identity:
    components: int

    def __call__(self, fields: Array) -> Array:
        """The vectors (N, L) themselves; raises InputError for another shape."""
        if _components(fields) != self.components:
            raise InputError(
                f"identity: given {_components(fields)} components; allowed: {self.components}"
            )
        return np.array(fields)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"x{index}" for index in range(self.components))

    @property
    def weights(self) -> Weights:
        return Weights(meta={"components": self.components})


def _components(x: Array) -> int:
    if x.ndim != 2:
        raise InputError(
            f"identity: given fields with shape (N, {', '.join(map(str, x.shape[1:]))}); "
            "allowed: vectors with shape (N, L). Use field_statistics or cnn for fields"
        )
    return int(x.shape[1])
