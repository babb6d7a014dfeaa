"""The data themselves, for simulations that are short vectors already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbipipe.interfaces import Array, Dataset, Fields, History, Run, Weights
from sbipipe.protocols import Summariser
from sbipipe.records import InputError, plugin

__all__ = ["Identity"]


@plugin
class Identity:
    """Hands vectors (N, L) on unchanged."""

    def fit(self, train: Dataset, valid: Dataset, run: Run) -> tuple[Summariser, History]:
        """Learns nothing; raises InputError for fields."""
        if isinstance(train.data, Fields):
            raise InputError(
                f"identity: given fields with shape (N, {', '.join(map(str, train.data.shape))}); "
                "allowed: vectors with shape (N, L). Use field_statistics or cnn for fields"
            )
        return _Identity(names=train.data.components), History()

    def restore(self, weights: Weights, *, device: str = "cpu") -> Summariser:
        """The summariser for the same components; without networks, so `device` changes nothing."""
        return _Identity(names=tuple(weights.meta["names"]))


@dataclass(frozen=True, kw_only=True)
class _Identity:
    """Hands on vectors whose components have these names."""

    names: tuple[str, ...]

    def __call__(self, fields: Array) -> Array:
        """The vectors (N, L) themselves; raises InputError for another shape."""
        if fields.shape[1:] != (len(self.names),):
            given = ", ".join(map(str, fields.shape[1:]))
            raise InputError(
                f"identity: given rows with shape (N, {given}); allowed: (N, {len(self.names)})"
            )
        return np.array(fields)

    @property
    def weights(self) -> Weights:
        return Weights(meta={"names": list(self.names)})
