"""The pace of things that are done one after another, and the time that is left.

With d of T things done at the time t of the last word, since t_0,

    pace = (t - t_0) / d,    left = pace (T - d) - (now - t),

which falls by a second a second until there is another word. Where what is under way takes longer
than it should, the time of what comes after it is left, and no time is said where nothing does.

Things that take long are done in **blocks**, and d has fractions: of a block that is expected to
take W pieces of work, w / W is done after w of them. Beyond nine tenths of W that is
1 - 0.09 W / w, which goes on rising and stays below one. W is what finished blocks have taken, or
what is announced, whichever is more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

MINUTE = 60.0

Clock = Callable[[], float]
"""Seconds, from any time on."""

_NEARLY = 0.9
"""Share of the expected work up to which the expectation is believed."""


@dataclass(kw_only=True)
class Count:
    """Things that are done one after another.

    Attributes:
        label: What they are part of.
        total: Their number, or the largest that it may be.
        unit: What they are.
        most: Whether `total` may not be reached.
        clock: What tells the time.
        first: The number that were done before; None until it is said.
        done: The number that are done, with the share of the block under way.
        reached: The number that are done when what is under way is.
        note: A few words.
        start: The time at which counting began.
        told: The time of the last word.
    """

    label: str
    total: int
    unit: str
    most: bool = False
    clock: Clock = time.monotonic
    first: float | None = None
    done: float = 0.0
    reached: float = 1.0
    note: str = ""
    start: float = field(init=False)
    told: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.told = self.clock()

    def advance(self, done: float, note: str = "") -> None:
        """So many are done; the first word says how many were done before."""
        self.first = done if self.first is None else self.first
        self.done, self.note, self.told = done, note, self.clock()
        self.reached = done + 1

    @property
    def left(self) -> float | None:
        """Seconds; None before anything is done, and where no time is known to be left."""
        new = self.done - (self.first or 0.0)
        if new <= 0:
            return None
        pace = (self.told - self.start) / new
        after = pace * (self.total - self.reached)
        left = max(pace * (self.total - self.done) - (self.clock() - self.told), after)
        return left if left > 0 else None

    @property
    def said(self) -> str:
        """How many are done, and how much time is left, in words."""
        most, left = "at most " * self.most, self.left
        said = f"{int(self.done)} of {most}{self.total} {self.unit}"
        said += f" ({self.note})" * bool(self.note)
        return said if left is None else f"{said}, {most}{words(left)} left"

    @property
    def line(self) -> str:
        """All of it in words."""
        return f"{self.label}, {self.said}"


@dataclass(kw_only=True)
class Blocks(Count):
    """Things that are done in blocks, and blocks in pieces.

    Attributes:
        each: The pieces that one of them is thought to take.
        before: The number that finished blocks had.
        taken: The pieces that finished blocks have taken.
        announced: The pieces that are announced for the block under way.
        spent: The pieces of it that are done.
    """

    first: float | None = 0.0
    each: float
    before: int = 0
    taken: float = 0.0
    announced: float = 0.0
    spent: float = 0.0

    def begin(self, size: int) -> None:
        """A block of so many is under way."""
        self.announced = self.spent = 0.0
        self.reached = min(self.before + size, self.total)
        self.reach(self.before)

    def announce(self, pieces: float) -> None:
        """The block under way takes so many pieces, besides what was announced before."""
        self.announced += pieces

    def spend(self, pieces: float) -> None:
        """So many further pieces of the block under way are done."""
        self.spent += pieces
        self.reach(self.before + (self.reached - self.before) * self._share)

    def end(self) -> None:
        """The block under way is done."""
        self.before, self.taken = int(self.reached), self.taken + self.spent
        self.reach(self.before)

    def reach(self, done: float) -> None:
        """So many are done, which are never fewer than before."""
        self.done, self.told = max(self.done, done), self.clock()

    @property
    def _share(self) -> float:
        """Of the block under way, that is done."""
        each = self.taken / self.before if self.taken else self.each
        work = max(each * (self.reached - self.before), self.announced)
        if self.spent <= _NEARLY * work or not work:
            return self.spent / work if work else 0.0
        return 1 - _NEARLY * (1 - _NEARLY) * work / self.spent


def words(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    minutes = seconds / MINUTE
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


__all__ = ["MINUTE", "Blocks", "Clock", "Count", "words"]
