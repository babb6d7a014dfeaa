"""What says how far a stage is, without knowing how that is shown (`telling`), or whether it is.

Whoever does things one after another says how many are done (`counting`, `track`), and what they
are for (`phase`). What takes long is done in blocks (`blocks`, `at_once`). Whoever works on a block
says how many pieces of work are done (`spend`), and how many more there are than was thought
(`announce`), without knowing what they are a part of. Blocks within a block are not counted apart:
their pieces are those of the outermost one. Where no stage is open, as in a notebook or a test,
nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")

Advance = Callable[[int, str], None]
"""`(done, note)`: how many are done, and a few words beside them. The first call says how many were
done before."""


class Stage(Protocol):
    """An open stage.

    Attributes:
        phases: The names of what is being done, the innermost last.
    """

    phases: list[str]

    @property
    def in_block(self) -> bool:
        """Whether a block is under way."""

    def counting(
        self, label: str, total: int, unit: str, most: bool
    ) -> AbstractContextManager[Advance]:
        """As the function of this name."""

    def blocks(self, slices: list[slice], total: int, label: str, each: float) -> Iterator[slice]:
        """The slices, one after another, which are counted."""

    def announce(self, pieces: float) -> None:
        """As the function of this name."""

    def spend(self, pieces: float) -> None:
        """As the function of this name."""


OPEN: ContextVar[Stage | None] = ContextVar("open", default=None)
"""The stage that is open."""


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Inside, the open stage is said to do this."""
    shown = OPEN.get()
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
    shown = OPEN.get()
    if shown is None:
        yield _silent
        return
    with shown.counting(label, total, unit, most) as advance:
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
    shown = OPEN.get()
    if shown is None or shown.in_block:
        announce(total * each)
        yield from slices
    else:
        yield from shown.blocks(slices, total, label, each)


@contextmanager
def at_once(total: int, label: str, each: float) -> Iterator[None]:
    """Inside, all of `total` observations are worked on together; like `blocks` of one."""
    if not total:
        yield
    for _ in blocks(total, max(total, 1), label, each):
        yield


def announce(pieces: float) -> None:
    """The block under way takes so many more pieces than was known before."""
    if shown := OPEN.get():
        shown.announce(pieces)


def spend(pieces: float) -> None:
    """So many further pieces of the block under way are done."""
    if shown := OPEN.get():
        shown.spend(pieces)


__all__ = [
    "OPEN",
    "Advance",
    "Stage",
    "announce",
    "at_once",
    "blocks",
    "counting",
    "phase",
    "spend",
    "track",
]
