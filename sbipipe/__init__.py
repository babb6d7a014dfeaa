"""From a suite of simulations to posteriors that can be published.

As a library: `fit` learns posteriors from arrays and puts them through the gate, `open` opens a
finished run, and `judge` puts posteriors made elsewhere through the same gate. They are imported
where they are first named, so that `import sbipipe` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {"judge": "sbipipe.studies.judging"}

__all__ = ["__version__", "judge"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
