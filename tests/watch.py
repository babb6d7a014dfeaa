"""A clock for tests of how long things take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Watch:
    """A clock that is set by hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now
