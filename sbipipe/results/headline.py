"""One line of a table: a number for generated fields, and the same for true ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One number of the table.

    Attributes:
        what: The name of the number.
        generated: The number for the generated fields.
        control: The number for the control.
        ideal: What a perfect emulator gives, in words.
        se: The standard error of `generated`, where there is one.
        control_se: The standard error of `control`, where there is one.
        percent: Whether the number is a percentage.
        seen: How the emulator has seen what is measured before; empty where it has not.
    """

    what: str
    generated: float
    control: float
    ideal: str
    se: float | None = None
    control_se: float | None = None
    percent: bool = False
    seen: str = ""
