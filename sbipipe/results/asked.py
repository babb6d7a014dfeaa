"""What published estimators found in emulated fields, as lines of a table and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sbipipe import paths, storage
from sbipipe.config import Params
from sbipipe.emulation.asked import Asked, Compared, Figure
from sbipipe.records import load

WORDS: Mapping[Figure, str] = {
    "coverage_0.68": "68 % regions hold the truth",
    "coverage_0.95": "95 % regions hold the truth",
    "nats": "nats at the truth",
}

LEVEL = 0.01
"""The probability with which some estimator is said to see a difference where there is none, at
most."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A figure of one estimator.

    Attributes:
        estimator: The estimator's name.
        learned: Whether it has learned from fields of this emulator.
        what: The name of the figure.
        share: Whether the figure is a share of the fields.
        generated: The figure of generated fields, beside that of true ones.
        control: The same of true fields of other seeds; None where there are none.
    """

    estimator: str
    learned: bool
    what: str
    share: bool
    generated: Compared
    control: Compared | None


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """An emulator before the published estimators.

    Attributes:
        asked: What they found in its fields.
    """

    asked: Asked

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every figure of every estimator."""
        return tuple(
            Line(
                estimator=estimator,
                learned=reading.learned,
                what=WORDS[figure],
                share=figure != "nats",
                generated=generated,
                control=reading.control.get(figure),
            )
            for estimator, reading in self.asked.readings.items()
            for figure, generated in reading.generated.items()
        )

    @property
    def seen(self) -> str:
        """By what estimators tell its fields from true ones, in words; empty where by nothing."""
        level = LEVEL / max(1, len(self.lines))
        found: dict[str, list[str]] = {}
        for one in self.lines:
            if one.generated.p <= level:
                found.setdefault(one.estimator, []).append(one.what)
        return "; ".join(f"{name} ({', '.join(what)})" for name, what in found.items())

    @property
    def controlled(self) -> bool:
        """Whether true fields of other seeds were put before the estimators as well."""
        return all(reading.control for reading in self.asked.readings.values())


def read(params: Params) -> dict[str, Hearing]:
    """Every emulator before the published estimators, by name."""
    files = {name: paths.asked_path(name) for name in params.emulate}
    return {
        name: Hearing(asked=load(Asked, storage.load_json(path), path))
        for name, path in files.items()
    }


__all__ = ["Hearing", "Line", "read"]
