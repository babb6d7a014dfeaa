"""Simulations made elsewhere, as far as a `params.yaml` has to know them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sbipipe.interfaces import Array, Data, Index
from sbipipe.sets.sides import Apart
from sbipipe.sets.tails import Tails


@dataclass(frozen=True, kw_only=True)
class Source:
    """Simulations made elsewhere.

    Attributes:
        path: The path from the folder of `params.yaml`.
        kind: The kind of simulator that reads them.
        config: The settings of that kind, but for the prior.
        parameters: The names of the D parameters.
        theta: The parameters of every row that is finite, with shape (N, D).
        group: The simulation of each of these rows, with shape (N,).
        excluded: The number of rows that are not finite.
        data: What a row is.
        tails: The far pixels of fields, if there are any as they are read.
        apart: Opposite sides of fields, where they do not seem to meet.
    """

    path: str
    kind: str
    config: Mapping[str, Any]
    parameters: tuple[str, ...]
    theta: Array
    group: Index
    excluded: int
    data: Data
    tails: Tails | None = None
    apart: Apart | None = None

    @property
    def simulations(self) -> int:
        """The number of different simulations."""
        return len(np.unique(self.group))

    @property
    def name(self) -> str:
        """A name for their entry, from that of the file."""
        stem = re.sub(r"[^A-Za-z0-9_+-]", "_", Path(self.path).stem).lstrip("_+-")
        taken = ("vectors", "cnn", "statistics", "")
        return f"simulations_{stem}".rstrip("_") if stem in taken else stem


__all__ = ["Source"]
