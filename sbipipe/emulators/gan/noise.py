"""What the fields of a generator grow from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def noise(player: Any, count: int, generator: torch.Generator | None = None) -> list[Tensor]:
    """White noise for `count` fields of a generator, in main memory."""
    return [torch.randn(count, *shape, generator=generator) for shape in player.noise_shapes]


__all__ = ["noise"]
