"""What the fields of a generator grow from, and the fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

TOGETHER = 256
"""Fields that are drawn at once."""


def noise(player: Any, count: int, source: torch.Generator | None = None) -> list[Tensor]:
    """White noise for `count` fields of a generator, in main memory."""
    return [torch.randn(count, *shape, generator=source) for shape in player.noise_shapes]


def drawn(
    player: Any, s: Tensor, source: torch.Generator, device: str, *, same_noise: bool = False
) -> Iterator[Tensor]:
    """Fields of a generator on a device, for s (N, D), in main memory, some at a time; with
    `same_noise` every one grows from the same."""
    one = noise(player, 1, source) if same_noise else None
    for part in torch.split(s, TOGETHER) if len(s) else ():
        if one is None:
            given = noise(player, len(part), source)
        else:
            given = [grid.expand(len(part), *grid.shape[1:]) for grid in one]
        yield player(part.to(device), [grid.to(device) for grid in given]).cpu()


__all__ = ["TOGETHER", "drawn", "noise"]
