"""How far a stage is: a bar on a terminal, a line a minute elsewhere.

A stage is shown while it is open (`stage`), under its name, with the time that it has taken, the
names of its phases, and what is counted in it (`progress`); the time left follows from the pace so
far (`pace`).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

from sbipipe.pace import MINUTE, Blocks, Clock, Count, words
from sbipipe.progress import OPEN, Advance


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
    def in_block(self) -> bool:
        """Whether a block is under way."""
        return bool(self._blocks())

    def _blocks(self) -> list[Blocks]:
        """The blocks under way, if it is these that are counted."""
        return [count for count in self.counts[-1:] if isinstance(count, Blocks)]

    @contextmanager
    def counting(self, label: str, total: int, unit: str, most: bool) -> Iterator[Advance]:
        """Things that are done one after another."""
        count = Count(label=label, total=total, unit=unit, most=most, clock=self.clock)

        def advance(done: int, note: str = "") -> None:
            count.advance(done, note)
            self.refresh()

        with self._shown(count):
            yield advance

    def blocks(self, slices: list[slice], total: int, label: str, each: float) -> Iterator[slice]:
        """Slices of `total` observations, each of which is expected to take `each` pieces."""
        clock, unit = self.clock, "observations"
        count = Blocks(label=label, total=total, unit=unit, each=each, clock=clock)
        with self._shown(count):
            for one in slices:
                count.begin(one.stop - one.start)
                yield one
                count.end()
                self.refresh()

    def announce(self, pieces: float) -> None:
        """The block under way takes so many more pieces."""
        for count in self._blocks():
            count.announce(pieces)

    def spend(self, pieces: float) -> None:
        """So many further pieces of the block under way are done."""
        for count in self._blocks():
            count.spend(pieces)
            self.refresh()

    @contextmanager
    def _shown(self, count: Count) -> Iterator[None]:
        """Inside, this is what is counted."""
        outer = self.refresh
        self.counts.append(count)
        with ExitStack() as stack:
            if self.bars is not None:
                from sbipipe import bars

                self.refresh, remove = bars.add(self.bars, count)
                stack.callback(remove)
            try:
                yield
            finally:
                self.counts.remove(count)
                self.refresh = outer


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
    token = OPEN.set(shown)
    try:
        with _bars(shown, out) if out.isatty() else _lines(shown, out, every):
            yield shown.line
    finally:
        OPEN.reset(token)


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


__all__ = ["stage"]
