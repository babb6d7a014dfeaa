"""What a stage will take."""

from __future__ import annotations

from dataclasses import dataclass

STARTING = 5.0
"""The seconds that a stage takes to start."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a stage will take.

    Attributes:
        name: Its name in `dvc.yaml`.
        seconds: The wall time; None where it is not estimated.
        of: What it does most of that time.
    """

    name: str
    seconds: float | None
    of: str


__all__ = ["STARTING", "Stage"]
