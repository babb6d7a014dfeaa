"""Writes `docs/config.md`, all that `params.yaml` may hold, from the code (`make reference`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from sbipipe.options import Described, everything

HEAD = """# What can be written in `params.yaml`

This page is made from the code (`make reference`); `sbipipe kinds NAME` prints a part of it. An
entry of a section with kinds has the keys of the section, and those of its kind below `config:`.
Only `simulate` has to be there, and `train` or `emulate`.
"""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *(line for one in everything() for line in _part(one))])


def _part(one: Described) -> Iterator[str]:
    if one.name:
        yield f"### {one.section}: `kind: {one.name}`\n"
    else:
        yield f"## `{one.section}`\n"
    yield f"{one.what}\n"
    if not one.options:
        return
    yield "| key | default | allowed | meaning |"
    yield "|---|---|---|---|"
    for option in one.options:
        default = option.default if option.default == "necessary" else f"`{option.default}`"
        cells = (f"`{option.key}`", default, option.allowed, option.meaning)
        yield f"| {' | '.join(map(_cell, cells))} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/config.md"))
    parser.parse_args().out.write_text(page())
