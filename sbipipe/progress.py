"""How far a stage is: a bar on a terminal, a line a minute elsewhere.

A stage is shown while it is open (`stage`), under its name, with the time that it has taken and the
names of its phases (`phase`). Whoever does things one after another says how many are done
(`counting`, `track`), and the time left follows from the pace so far (`pace`).

What takes long is done in blocks (`blocks`, `at_once`). Whoever works on a block says how many
pieces of work are done (`spend`), and how many more there are than was thought (`announce`),
without knowing what they are a part of. Blocks within a block are not counted apart: their pieces
are those of the outermost one. Where no stage is open, as in a notebook or a test, nothing is
shown.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TextIO, TypeVar

from sbipipe.pace import MINUTE, Blocks, Clock, Count, words

T = TypeVar("T")

Advance = Callable[[int, str], None]
"""`(done, note)`: how many are done, and a few words beside them. The first call says how many were
done before."""


@dataclass(kw_only=True)
class _Stage:
    """An open stage.

    Attributes:
        name: Its name in `dvc.yaml`, with that of its entry.
        clock: What tells the time.
        start: The time at which it was opened.
        phases: The names of what is being done, the innermost last.
        counts: What is being counted, the innermost last.
        bars: The bars of a terminal; None elsewhere.
        refresh: What brings the innermost bar up to date.
    """

    name: str
    clock: Clock
    start: float = field(init=False)
    phases: list[str] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    bars: Any = None
    refresh: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.start = self.clock()

    @property
    def said(self) -> str:
        """The phases."""
        return ": ".join(self.phases)

    def line(self) -> str:
        """How far it is."""
        doing = ": ".join([*self.phases, *(count.line for count in self.counts[-1:])])
        so_far = f"{self.name}: {words(self.clock() - self.start)} so far"
        return f"{so_far}; {doing}" if doing else so_far

    @property
    def block(self) -> Blocks | None:
        """The blocks that are under way."""
        last = self.counts[-1] if self.counts else None
        return last if isinstance(last, Blocks) else None


_OPEN: ContextVar[_Stage | None] = ContextVar("open", default=None)


@contextmanager
def stage(
    name: str, out: TextIO | None = None, every: float = MINUTE, clock: Clock = time.monotonic
) -> Iterator[Callable[[], str]]:
    """Inside, what is counted is shown; gives the line as it stands.

    Args:
        name: The stage, `train@npe` for instance.
        out: Where it is shown; by default on standard error.
        every: Seconds between two lines, where `out` is no terminal.
        clock: What tells how long things take.
    """
    out = out or sys.stderr
    shown = _Stage(name=name, clock=clock)
    token = _OPEN.set(shown)
    try:
        with _bars(shown, out) if out.isatty() else _lines(shown, out, every):
            yield shown.line
    finally:
        _OPEN.reset(token)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Inside, the open stage is said to do this."""
    shown = _OPEN.get()
    if shown is None:
        yield
        return
    shown.phases.append(name)
    try:
        yield
    finally:
        shown.phases.pop()


@contextmanager
def counting(label: str, total: int, unit: str, most: bool = False) -> Iterator[Advance]:
    """Inside, the function that is given says how many are done.

    Args:
        label: What they are part of.
        total: Their number, or the largest that it may be.
        unit: What they are: "epochs".
        most: Whether it may end before `total`.
    """
    shown = _OPEN.get()
    if shown is None:
        yield _silent
        return
    count = Count(label=label, total=total, unit=unit, most=most, clock=shown.clock)
    with _shown(shown, count):

        def advance(done: int, note: str = "") -> None:
            count.advance(done, note)
            shown.refresh()

        yield advance


def _silent(done: int, note: str) -> None:
    """Where no stage is open."""


def track(
    things: Collection[T] | Iterator[T], label: str, unit: str, total: int = 0
) -> Iterator[T]:
    """The things, one after another, each counted when it is done.

    Args:
        label: What they are part of.
        unit: What they are.
        total: Their number, where they do not know it.
    """
    number = len(things) if isinstance(things, Collection) else total
    with counting(label, number, unit) as advance:
        advance(0, "")
        for done, one in enumerate(things):
            yield one
            advance(done + 1, "")


def blocks(total: int, size: int, label: str, each: float = 0.0) -> Iterator[slice]:
    """Slices of `total` observations, `size` in each, counted with the pieces of work on them.

    Args:
        label: What is done to them.
        each: The pieces that an observation is thought to take.
    """
    slices = [slice(first, first + size) for first in range(0, total, size)]
    shown = _OPEN.get()
    if shown is None or shown.block:
        announce(total * each)
        yield from slices
        return
    count = Blocks(label=label, total=total, unit="observations", each=each, clock=shown.clock)
    with _shown(shown, count):
        for one in slices:
            count.begin(size)
            yield one
            count.end()
            shown.refresh()


@contextmanager
def at_once(total: int, label: str, each: float) -> Iterator[None]:
    """Inside, all of `total` observations are worked on together; like `blocks` of one."""
    if not total:
        yield
    for _ in blocks(total, max(total, 1), label, each):
        yield


def announce(pieces: float) -> None:
    """The block under way takes so many more pieces than was known before."""
    shown = _OPEN.get()
    if shown and shown.block:
        shown.block.announce(pieces)


def spend(pieces: float) -> None:
    """So many further pieces of the block under way are done."""
    shown = _OPEN.get()
    if shown and shown.block:
        shown.block.spend(pieces)
        shown.refresh()


@contextmanager
def _shown(shown: _Stage, count: Count) -> Iterator[None]:
    """Inside, this is what is counted."""
    outer = shown.refresh
    shown.counts.append(count)
    remove = _add_bar(shown, count)
    try:
        yield
    finally:
        shown.counts.remove(count)
        shown.refresh = outer
        remove()


def _add_bar(shown: _Stage, count: Count) -> Callable[[], None]:
    """A bar where there are bars; gives what takes it away."""
    if shown.bars is None:
        return lambda: None
    from sbipipe import bars

    shown.refresh, remove = bars.add(shown.bars, count)
    return remove


@contextmanager
def _lines(shown: _Stage, out: TextIO, every: float) -> Iterator[None]:
    closed = threading.Event()

    def tell() -> None:
        while not closed.wait(every):
            print(shown.line(), file=out, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()


@contextmanager
def _bars(shown: _Stage, out: TextIO) -> Iterator[None]:
    from sbipipe import bars

    with bars.bars(shown.name, shown, out) as shown.bars:
        yield


__all__ = [
    "Advance",
    "announce",
    "at_once",
    "blocks",
    "counting",
    "phase",
    "spend",
    "stage",
    "track",
]
