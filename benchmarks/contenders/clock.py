"""Two clocks: the wall's, and the processor's, which other work on the machine hardly moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """How long something took.

    Attributes:
        wall: The wall time.
        cpu: The processor time of this process, all threads together.
    """

    wall: float
    cpu: float

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(wall=self.wall + other.wall, cpu=self.cpu + other.cpu)


def timed(work: Callable[[], T]) -> tuple[T, Seconds]:
    """What `work` gives, and how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Seconds(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
