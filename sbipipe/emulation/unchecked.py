"""What is said of an emulator whose fields cannot be judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unchecked:
    """Why an emulator's fields cannot be set beside true ones, in one clause."""

    why: str
