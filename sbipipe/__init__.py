"""From a suite of simulations to posteriors that can be published.

As a library: `fit` learns posteriors from arrays and puts them through the gate, `open` opens a
finished run, `combine` makes one posterior of several independent observations, and `judge` puts
posteriors made elsewhere through the same gate. They are imported where they are first named, so
that `import sbipipe` is quick.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

# A thread of torch that waits for others spins, and keeps what it waits for from its core on a busy
# machine: beside three other jobs, drawing cost more than twice as much. With this it soon sleeps,
# which costs nothing where nothing else runs. OpenMP reads it when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

__version__ = "0.1.0"

_WHERE = {
    "combine": ("studies.combining", "combine"),
    "fit": ("studies.fitting", "fit"),
    "judge": ("studies.judging", "judge"),
    "open": ("studies.opening", "open_run"),
}
"""The file and the name in it of what is imported from here."""

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    file, own = _WHERE[name]
    return getattr(import_module(f"{__name__}.{file}"), own)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
