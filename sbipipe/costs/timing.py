"""Seconds, and a line through two of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from sbipipe.interfaces import Array


def timed(work: Callable[[], Any]) -> float:
    """The seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def once_warm(work: Callable[[], Any]) -> float:
    """The seconds of the second of two calls."""
    work()
    return timed(work)


def line(at: Sequence[int], values: Array, to: int) -> float:
    """A line through two values, which does not fall, carried on; no less than nothing."""
    slope = max(0.0, (values[1] - values[0]) / max(1, at[1] - at[0]))
    return max(0.0, float(values[0] + slope * (to - at[0])))


__all__ = ["line", "once_warm", "timed"]
