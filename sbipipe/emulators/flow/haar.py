r"""Haar's wavelets on grids in any dimension: averages of neighbours, and their differences.

Along each axis neighbours a, b become (a + b) / sqrt(2) and (a - b) / sqrt(2). The transform is
orthonormal, so white noise becomes white noise, and no volume changes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def split(x: Tensor) -> tuple[Tensor, Tensor]:
    """Averages (n, C, *half) and differences (n, (2^d - 1) C, *half) of fields (n, C, *space)."""
    channels = x.shape[1]
    for axis in range(2, x.ndim):
        even, odd = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :]).unbind(axis + 1)
        x = torch.cat([even + odd, even - odd], 1) / 2**0.5
    return x[:, :channels], x[:, channels:]


def join(averages: Tensor, differences: Tensor) -> Tensor:
    """The fields that these are of."""
    x = torch.cat([averages, differences], 1)
    for axis in range(x.ndim - 1, 1, -1):
        total, difference = x.chunk(2, 1)
        pair = torch.stack([total + difference, total - difference], axis + 1) / 2**0.5
        x = pair.flatten(axis, axis + 1)
    return x


def halvings(sides: tuple[int, ...]) -> int:
    """How often a grid with these sides can be halved."""
    count = 0
    while all(side % 2 ** (count + 1) == 0 for side in sides):
        count += 1
    return count


__all__ = ["halvings", "join", "split"]
