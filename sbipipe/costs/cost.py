"""What simulations will take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an entry of `simulate:` will take.

    Attributes:
        rows: Rows of all splits.
        excluded: Rows that are left out because they are not finite.
        shape: Of one row; None where nothing was simulated, and all else but `rows` is unknown.
        each: Seconds for one simulation on one of the workers; None for simulations made elsewhere.
        seconds: Wall time of the stage.
        disk: Bytes, before compression.
        memory: Bytes of the largest split, which a fit holds at once.
    """

    rows: int
    excluded: int
    shape: tuple[int, ...] | None
    each: float | None
    seconds: float
    disk: int
    memory: int


__all__ = ["Cost"]
