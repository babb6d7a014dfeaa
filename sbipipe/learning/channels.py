r"""Fields as a network reads them.

Every channel is shifted and scaled to zero mean and unit variance over the pixels of all training
rows. Where the pixels of a channel have a heavy tail, few of them then make all of its variance:
the rest lies within a fraction of the unit, and a step that follows the few spoils what was learned
of the rest. So such a channel is read twice, as it is and as asinh((x - c) / u), which is linear
within u of c and logarithmic beyond. Which channels these are, c and u, are decided on the training
rows as for vectors (`standardise`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sbipipe.learning.standardise import ENOUGH, Standardise

PIXELS = 100_000
"""Pixels of each channel, spread over all rows and places, that the bent ones are scaled by."""


class Channels(nn.Module):
    """Fields (b, C, *space) with zero mean and unit variance, and behind them the bent ones of B
    channels: (b, C + B, *space).

    Args:
        channels: The number of channels of the fields, C.
        twice: Those that are read twice, B numbers below C.
    """

    mean: Tensor
    sd: Tensor
    centre: Tensor
    unit: Tensor
    mean_bent: Tensor
    sd_bent: Tensor

    def __init__(self, channels: int, twice: Sequence[int] = ()) -> None:
        super().__init__()
        self.channels, self.twice = channels, tuple(twice)
        for name, size in (("", channels), ("_bent", len(self.twice))):
            self.register_buffer(f"mean{name}", torch.zeros(size, dtype=torch.float64))
            self.register_buffer(f"sd{name}", torch.ones(size, dtype=torch.float64))
        self.register_buffer("centre", torch.zeros(len(self.twice)))
        self.register_buffer("unit", torch.ones(len(self.twice)))

    @classmethod
    def like(cls, fields: Tensor) -> Channels:
        """For fields like these, (N, C, *space)."""
        axes = (0, *range(2, fields.ndim))
        found = Standardise(_pixels(fields, ENOUGH))
        bent = torch.nonzero(found.bent).flatten()
        curved = torch.asinh((_pixels(fields, PIXELS) - found.centre) / found.unit)
        own = cls(fields.shape[1], bent.tolist())
        own.mean.copy_(fields.double().mean(axes))
        own.sd.copy_(fields.double().std(axes))
        for name, value in (
            ("centre", found.centre),
            ("unit", found.unit),
            ("mean_bent", curved.mean(0)),
            ("sd_bent", curved.std(0)),
        ):
            getattr(own, name).copy_(value[bent])
        return own

    @property
    def outputs(self) -> int:
        """The number of channels that a network reads, C + B."""
        return self.channels + len(self.twice)

    def forward(self, fields: Tensor) -> Tensor:
        straight = (fields - _wide(self.mean, fields)) / _wide(self.sd, fields)
        if not self.twice:
            return straight
        tails = fields[:, list(self.twice)]
        bent = torch.asinh((tails - _wide(self.centre, fields)) / _wide(self.unit, fields))
        bent = (bent - _wide(self.mean_bent, fields)) / _wide(self.sd_bent, fields)
        return torch.cat([straight, bent], 1)


def _wide(values: Tensor, fields: Tensor) -> Tensor:
    """One value a channel, as it multiplies fields."""
    return values.float().view(-1, *(1,) * (fields.ndim - 2))


def _pixels(fields: Tensor, most: int) -> Tensor:
    """Pixels of (N, C, *space) with shape (M, C), of all rows and all places alike."""
    cells = fields.flatten(2)
    rows, _, places = cells.shape
    step = max(1, rows * places // most) | 1  # odd: no multiple of the side of a grid
    index = np.arange(0, rows * places, step)[:most]
    return cells[index // places, :, index % places]


__all__ = ["Channels"]
