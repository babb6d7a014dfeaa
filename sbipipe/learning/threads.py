"""The threads of this process that compute.

Torch splits each operation among its threads, which for the small operations of a network on a few
thousand rows gains little: they wait for each other at the end of each. Parts of the work that need
not know of each other do better, each on a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Part = TypeVar("Part")
Found = TypeVar("Found")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Inside, torch splits its operations among so many."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def each(
    work: Callable[[Part], Found], parts: Iterable[Part], device: torch.device | str = "cpu"
) -> list[Found]:
    """What `work` makes of each part, without gradients and in their order: on a CPU, a part on
    each of torch's threads, or on several where there are more threads than parts.

    Args:
        work: Must not draw from torch's generator, nor change what other parts read.
    """
    parts = list(parts)
    count = torch.get_num_threads()
    at_once = min(count, len(parts)) if torch.device(device).type == "cpu" else 1

    def alone(part: Part) -> Found:
        with torch.no_grad():  # each thread has a mode of its own
            return work(part)

    if at_once <= 1:
        return [alone(part) for part in parts]
    with threads(count // at_once), ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(alone, parts))


__all__ = ["each", "threads"]
