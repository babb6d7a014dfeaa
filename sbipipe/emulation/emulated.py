"""The fields that an emulator drew (`drawing`), and their file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sbipipe import storage
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import Array, Fields, Weights

FEATURES, READ = "features/", "read/"


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An emulator's fields at the parameters of a `truth.Truth`.

    Attributes:
        data: What the fields are.
        generated: Fields at its `theta`, with shape (T, m, C, *space).
        response: Fields at its `varied`, one noise a row, with shape (R, V, C, *space).
        sample: As many fields as its `sample` has, in parts as large as a simulation, with shape
            (G, e, C, *space); None where it has none.
        features: The features of many more fields there (`birthday`), each with shape (N, L); empty
            where none were asked for.
        read: The features of the true fields and the control there, by the emulator's critic, each
            with shape (n, L); empty where it has none.
        seen: How the emulator has seen a statistic before ("trained", "chosen", or "trained and
            chosen" by it), by the statistic's name.
    """

    data: Fields
    generated: Array
    response: Array
    sample: Array | None = None
    features: Mapping[str, Array] = field(default_factory=dict)
    read: Mapping[str, Array] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)


def save(path: Path, found: Drawn | Unchecked) -> None:
    """Write drawn fields as single-precision arrays, whole."""
    if isinstance(found, Unchecked):
        storage.save_weights(path, Weights(meta={"unchecked": found.why}))
        return
    arrays = {
        name: np.asarray(values, np.float32)
        for name in ("generated", "response", "sample")
        if (values := getattr(found, name)) is not None
    }
    arrays |= {f"{FEATURES}{name}": values for name, values in found.features.items()}
    arrays |= {f"{READ}{name}": values for name, values in found.read.items()}
    meta = {"seen": dict(found.seen), **storage.describe(found.data)}
    storage.save_weights(path, Weights(arrays=arrays, meta=meta))


def load(path: Path) -> Drawn | Unchecked:
    """Read what `save` wrote."""
    weights = storage.load_weights(path)
    if "unchecked" in weights.meta:
        return Unchecked(weights.meta["unchecked"])
    data = storage.described(weights.meta)
    assert isinstance(data, Fields)
    arrays = {name: values for name, values in weights.arrays.items() if "/" not in name}
    features, read = (storage.below(weights.arrays, folder) for folder in (FEATURES, READ))
    return Drawn(data=data, seen=weights.meta["seen"], features=features, read=read, **arrays)
