r"""Rows of numbers of any size and tail, made harmless for a network; and back.

A component x of a vector becomes (y(x) - m) / s with m and s the mean and standard deviation of
y over the training rows, where

    y = x,    or    y = asinh((x - c) / u)

linear within u of c, logarithmic beyond, so that the largest of a million rows of a heavy tail
lies at 10 and not at 10^6, and both ends of a positive number that spans decades are seen (y is
normal where x is Johnson's S_U; Biometrika 36, 149, 1949). The training rows decide on c and u, and
whether to bend at all: of all pairs of their quantiles, c is the one and u the distance to the
other of the pair for which a normal density of y, brought back to x, describes them best,

    -log sd(y) + E log |dy/dx|,

and a straight line stays where that gains less than `GAIN` nats a row, as for whatever is nearly
normal, bounded or flat. Fields are never bent here: each of their channels has one mean and scale
(`channels` bends them).
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch
from torch import Tensor, nn

GAIN = 0.1
"""Nats a row by which asinh must describe a component better than a straight line does."""

QUANTILES = (0.001, 0.02, 0.1587, 0.35, 0.5, 0.65, 0.8413, 0.98, 0.999)
"""Where the rows are bent, or how fast: quantiles of the rows, in pairs."""

ENOUGH = 1_000
"""Rows, evenly spaced among all, that decide it."""


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
    """Centre and unit of each component of (N, L), and whether asinh becomes it."""
    some = rows[:: -(-len(rows) // ENOUGH)]
    spread = some.std(0, unbiased=False)
    best, straight = torch.full_like(spread, -torch.inf), -spread.log()
    centre, unit = some.mean(0), torch.where(spread > 0, spread, torch.ones_like(spread))
    places = torch.from_numpy(np.quantile(some.cpu().numpy(), QUANTILES, axis=0)).to(rows)
    for c, other in permutations(places, 2):
        u = (other - c).abs()
        far = (some - c) / torch.where(u > 0, u, unit)
        slope = u.log() + 0.5 * torch.log1p(far.square()).mean(0)
        curved = -torch.asinh(far).std(0, unbiased=False).log() - slope
        better = (u > 0) & (curved > best)
        best = torch.where(better, curved, best)
        centre, unit = torch.where(better, c, centre), torch.where(better, u, unit)
    return centre, unit, (spread > 0) & (best > straight + GAIN)


__all__ = ["Standardise"]
