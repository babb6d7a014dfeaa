r"""Rows of numbers of any size and tail, made harmless for a network; and back.

A component x of a vector becomes (y(x) - m) / s with m and s the mean and standard deviation of
y over the training rows, where

    y = x,    or    y = asinh((x - c) / u)

with the median c and half the width u of the central 68 %: linear within u, logarithmic beyond, so
that the largest of a million rows of a heavy tail lies at 10 and not at 10^6. Which one is decided
on the training rows: asinh where a normal density of y, brought back to x, describes them better by
more than `GAIN` nats a row,

    -log sd(y) + E log |dy/dx|,

which leaves whatever is nearly normal, bounded or flat as it was. Fields are never bent: each of
their channels has one mean and scale.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

GAIN = 0.1
"""Nats a row by which asinh must describe a component better than a straight line does."""

LEFT, MIDDLE, RIGHT = 0.1587, 0.5, 0.8413
"""The quantiles of a normal at -1, 0 and 1 standard deviations."""


class Standardise(nn.Module):
    """Takes rows to zero mean and unit variance: each component of vectors, each channel of fields.

    Constant components are only shifted.

    Args:
        rows: To take the moments from, with shape (N, L) or (N, C, *space).
    """

    centre: Tensor
    unit: Tensor
    bent: Tensor
    loc: Tensor
    scale: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        axes = (0, *range(2, rows.ndim))
        rows = rows.double()
        centre, unit = torch.zeros(rows.shape[1:2]), torch.ones(rows.shape[1:2])
        bent = torch.zeros(rows.shape[1:2], dtype=torch.bool)
        if rows.ndim == 2:
            centre, unit, bent = _bends(rows)
            rows = torch.where(bent, torch.asinh((rows - centre) / unit), rows)
        scale = rows.std(axes, unbiased=False, keepdim=True)[0].float()
        self.register_buffer("centre", centre.float())
        self.register_buffer("unit", unit.float())
        self.register_buffer("bent", bent)
        self.register_buffer("loc", rows.mean(axes, keepdim=True)[0].float())
        self.register_buffer("scale", torch.where(scale > 0, scale, torch.ones_like(scale)))

    def forward(self, rows: Tensor) -> Tensor:
        if rows.ndim > 2 and self.loc.ndim > 1:
            return (rows - self.loc) / self.scale
        curved = torch.asinh((rows - self.centre) / self.unit)
        return (torch.where(self.bent, curved, rows) - self.loc) / self.scale

    def inverse(self, rows: Tensor) -> Tensor:
        """Vectors from standardised ones (..., L)."""
        rows = rows * self.scale + self.loc
        return torch.where(self.bent, torch.sinh(rows) * self.unit + self.centre, rows)

    def log_det(self, rows: Tensor) -> Tensor:
        """log |d standardised / d rows| of vectors, (..., L) -> (...), in float64."""
        far = ((rows - self.centre) / self.unit).double()
        bend = self.unit.double().log() + 0.5 * torch.log1p(far.square())
        each: Tensor = self.scale.double().log() + torch.where(self.bent, bend, 0.0)
        return -each.sum(-1)


def _bends(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Median and unit of each component of (N, L), and whether asinh becomes it."""
    left, centre, right = np.quantile(rows.cpu().numpy(), (LEFT, MIDDLE, RIGHT), axis=0)
    unit = torch.from_numpy((right - left) / 2).to(rows)
    spread = rows.std(0, unbiased=False)
    unit = torch.where(unit > 0, unit, torch.where(spread > 0, spread, torch.ones_like(spread)))
    middle = torch.from_numpy(centre).to(rows)
    far = (rows - middle) / unit
    slope = unit.log() + 0.5 * torch.log1p(far.square()).mean(0)
    straight, curved = -spread.log(), -torch.asinh(far).std(0, unbiased=False).log() - slope
    return middle, unit, (spread > 0) & (curved > straight + GAIN)


__all__ = ["Standardise"]
