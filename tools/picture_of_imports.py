"""Draws the rooms of `sbipipe/` and the arrows between them to `docs/imports.svg`.

A room is a folder of the package; the files that lie in none are the hall. A room stands one row
above the highest room that it imports from, so every arrow points down. Also prints the longest
chain of imports, in rooms and in files.

    python tools/picture_of_imports.py [--out docs/imports.svg]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import matplotlib as mpl
from matplotlib.figure import Figure

from sbipipe.sources import Sources

T = TypeVar("T", bound=Hashable)

CODE = Sources()

HALL = "sbipipe"
"""The files that lie in no room."""

BLUE, INK, FAINT = "#0072B2", "#1c1c1c", "#8a8a8a"


def files() -> list[Path]:
    """The files of the package."""
    return sorted(Path("sbipipe").rglob("*.py"))


def room(path: Path) -> str:
    """The room of a file."""
    return path.parts[1] if len(path.parts) > 2 else HALL


def arrows() -> dict[str, set[str]]:
    """The rooms that each room imports from."""
    found: dict[str, set[str]] = {room(path): set() for path in files()}
    for path in files():
        found[room(path)] |= {room(other) for other in CODE.imports(path)} - {room(path)}
    return found


def chain(graph: Mapping[T, set[T]]) -> list[T]:
    """The longest way along the arrows of a graph without circles."""

    @cache
    def below(node: T) -> tuple[T, ...]:
        return (node, *max(map(below, sorted(graph[node], key=str)), key=len, default=()))

    return list(max((below(node) for node in graph), key=len))


def draw(rooms: Mapping[str, set[str]], out: Path) -> None:
    """Rooms in rows, arrows down; the hall, from which nearly all import, stands apart below."""
    graph = {name: {one for one in below if one != HALL} for name, below in rooms.items()}
    graph.pop(HALL)
    level = {name: len(chain(_reached(graph, name))) for name in graph}
    rows = [sorted(n for n in graph if level[n] == i) for i in range(1, max(level.values()) + 1)]
    place = {
        name: ((i + 0.5) / len(row) + 0.03 * (-1) ** height, float(height))
        for height, row in enumerate(rows, 1)
        for i, name in enumerate(row)
    }
    mpl.rcParams.update({"svg.hashsalt": "sbipipe", "font.family": "DejaVu Sans"})
    figure = Figure(figsize=(8.4, 1.0 + 1.05 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for name, below in graph.items():
        for other in sorted(below):
            axes.annotate(
                "", place[other], place[name], zorder=1,
                arrowprops={"arrowstyle": "-|>", "color": FAINT, "lw": 0.8, "shrinkA": 12,
                            "shrinkB": 12},
            )  # fmt: skip
    box = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": BLUE, "lw": 1.2}
    for name, (x, y) in place.items():
        axes.text(x, y, name, ha="center", va="center", fontsize=10, color=INK, bbox=box, zorder=2)
    words = "interfaces  records  config  paths  plugins  storage  seeds  runtime  project  ..."
    axes.text(0.5, 0.2, words, ha="center", va="center", fontsize=9, color=INK, bbox=box)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.2, len(rows) + 0.5))
    axes.set_axis_off()
    figure.savefig(out, metadata={"Date": None})


def _reached(graph: Mapping[str, set[str]], name: str) -> dict[str, set[str]]:
    """The part of a graph below a node."""
    found: dict[str, set[str]] = {}
    todo = [name]
    while todo:
        one = todo.pop()
        if one not in found:
            found[one] = graph[one]
            todo += graph[one]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the rooms and the arrows between them.")
    parser.add_argument("--out", type=Path, default=Path("docs/imports.svg"))
    out = parser.parse_args().out
    rooms = arrows()
    longest = chain({path: CODE.imports(path) - {path} for path in files()})
    print(f"files: {len(longest)}: {' > '.join(str(p.relative_to('sbipipe')) for p in longest)}")
    apart = {name: below - {HALL} for name, below in rooms.items() if name != HALL}
    print(f"rooms: {len(chain(apart))}: {' > '.join(chain(apart))}")
    draw(rooms, out)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main()
