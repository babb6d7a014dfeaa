"""The fields that an emulator draws where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

from sbipipe.interfaces import Array


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An emulator's fields at the parameters of a `truth.Truth`.

    Attributes:
        generated: Fields at its `theta`, with shape (T, m, C, *space).
        response: Fields at its `varied`, one noise a row, with shape (R, V, C, *space).
    """

    generated: Array
    response: Array
