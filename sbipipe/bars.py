"""Bars on a terminal: one for a stage, with its phases, and one for whatever is counted in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Said(Protocol):
    """What is asked for its words whenever a bar is drawn."""

    @property
    def said(self) -> str: ...


class Counted(Said, Protocol):
    """Things that are done one after another, as `sbipipe.pace` counts them."""

    label: str
    total: int
    done: float


@contextmanager
def bars(name: str, shown: Said, out: TextIO) -> Iterator[Progress]:
    """Bars below that of a stage, while it is open."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[shown].said}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=out), transient=True) as found:
        found.add_task(name, total=None, shown=shown)
        yield found


def add(found: Any, count: Counted) -> tuple[Callable[[], None], Callable[[], None]]:
    """A bar for what is counted: what brings it up to date, and what takes it away."""
    task = found.add_task(f"  {count.label}", total=count.total, shown=count)
    return (
        lambda: found.update(task, completed=count.done),
        lambda: found.remove_task(task),
    )


__all__ = ["add", "bars"]
