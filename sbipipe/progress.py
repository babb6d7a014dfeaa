"""How far a stage is: a bar on a terminal, a line a minute elsewhere.

A stage is shown while it is open (`stage`), under its name, with the time that it has taken.
Whoever does things one after another says how many are done (`counting`, `track`), and the time
left follows from the pace so far. Where no stage is open, as in a notebook or a test, nothing is
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

T = TypeVar("T")

Advance = Callable[[int, str], None]
"""`(done, note)`: how many are done, and a few words beside them. The first call says how many were
done before."""

MINUTE = 60.0


@dataclass(kw_only=True)
class _Count:
    """Things that are done one after another.

    Attributes:
        label: What they are part of.
        total: Their number, or the largest that it may be.
        unit: What they are.
        most: Whether `total` may not be reached.
        first: The number that were done before; None until it is said.
        done: The number that are done.
        note: A few words.
        start: The time at which counting began.
    """

    label: str
    total: int
    unit: str
    most: bool
    first: int | None = None
    done: int = 0
    note: str = ""
    start: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float | None:
        """Seconds, at the pace so far; None before anything is done."""
        new = self.done - (self.first or 0)
        taken = time.monotonic() - self.start
        return taken / new * (self.total - self.done) if new > 0 else None

    def line(self) -> str:
        """All of it in words."""
        said = f"{self.label}, {self.done} of {'at most ' * self.most}{self.total} {self.unit}"
        said += f" ({self.note})" * bool(self.note)
        left = self.left
        return said + ("" if left is None else f", {'at most ' * self.most}{words(left)} left")


@dataclass(kw_only=True)
class _Stage:
    """An open stage.

    Attributes:
        name: Its name in `dvc.yaml`, with that of its entry.
        out: Where lines go.
        start: The time at which it was opened.
        counts: What is being counted, the innermost last.
        bars: The bars of a terminal; None elsewhere.
    """

    name: str
    out: TextIO
    start: float = field(default_factory=time.monotonic)
    counts: list[_Count] = field(default_factory=list)
    bars: Any = None

    def line(self) -> str:
        """How far it is."""
        counted = [count.line() for count in self.counts[-1:]]
        return "; ".join([f"{self.name}: {words(time.monotonic() - self.start)} so far", *counted])

    def tell(self, closed: threading.Event, every: float) -> None:
        """Print a line now and then, until it is closed."""
        while not closed.wait(every):
            print(self.line(), file=self.out, flush=True)


_OPEN: ContextVar[_Stage | None] = ContextVar("open", default=None)


@contextmanager
def stage(name: str, out: TextIO | None = None, every: float = MINUTE) -> Iterator[None]:
    """Inside, what is counted is shown.

    Args:
        name: The stage, `train@npe` for instance.
        out: Where it is shown; by default on standard error.
        every: Seconds between two lines, where `out` is no terminal.
    """
    out = out or sys.stderr
    shown = _Stage(name=name, out=out)
    token = _OPEN.set(shown)
    try:
        with _bars(shown) if out.isatty() else _lines(shown, every):
            yield
    finally:
        _OPEN.reset(token)


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
    count = _Count(label=label, total=total, unit=unit, most=most)
    shown.counts.append(count)
    bar = _add_bar(shown, count) if shown.bars else lambda: None

    def advance(done: int, note: str = "") -> None:
        count.first = done if count.first is None else count.first
        count.done, count.note = done, note
        bar()

    try:
        yield advance
    finally:
        shown.counts.remove(count)
        bar()


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


def words(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    minutes = seconds / MINUTE
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


@contextmanager
def _lines(shown: _Stage, every: float) -> Iterator[None]:
    closed = threading.Event()
    thread = threading.Thread(target=shown.tell, args=(closed, every), daemon=True)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()


@contextmanager
def _bars(shown: _Stage) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=shown.out), transient=True) as bars:
        bars.add_task(shown.name, total=None, said="")
        shown.bars = bars
        yield


def _add_bar(shown: _Stage, count: _Count) -> Callable[[], None]:
    """A bar for what is counted; the function that is given brings it up to date."""
    bars = shown.bars
    task = bars.add_task(f"  {count.label}", total=count.total, said="")

    def update() -> None:
        if count not in shown.counts:
            bars.remove_task(task)
            return
        bars.update(task, completed=count.done, said=count.line().partition(", ")[2])

    return update


__all__ = ["Advance", "counting", "stage", "track", "words"]
