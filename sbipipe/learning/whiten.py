r"""Vectors that networks read, along their principal axes where components say nearly the same.

Twelve readings of one curve are nearly one number, and what the noise does is in the small
differences between them, which a network hardly sees. So standardised rows z (`standardise`) are
turned to the axes A of their correlations, R = A diag(l) A^T, and standardised again,

    y = standard(A^T z),

each axis bent where its tail is heavy, like a component. Where no combination of the components is
as narrow as l = `NARROW`, nothing is turned, and y = z to the bit. Nor is it by fewer than `ROWS`
rows for each component: the narrowest axes of few rows are narrow by chance, with N rows of L that
are independent l = (1 - sqrt(L / N))^2 (Marchenko & Pastur 1967), and no others lie along them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sbipipe.learning.standardise import Standardise

NARROW = 0.1
"""The variance of an axis, in units of that of a component, below which rows are turned."""

ROWS = 10
"""Rows for each component, at least: l is then 0.47 by chance."""

LONGEST = 512
"""Components beyond which vectors are not turned: the axes would be larger than a network."""

ROUNDING = 1e-5
"""The least standard deviation that an axis is taken to have, of which float32 knows one part in a
hundred."""


class Whiten(nn.Module):
    """Takes vectors to zero mean and unit variance, along axes of their own.

    Args:
        rows: To take moments and axes from, with shape (N, L).
    """

    axes: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.first = Standardise(rows)
        size = rows.shape[1]
        self.register_buffer("axes", torch.eye(size if size <= LONGEST else 0))
        self.second = Standardise(rows.new_zeros(2, size))
        if size <= LONGEST and len(rows) >= ROWS * size:
            self._turn(self.first(rows.float()).double())

    def _turn(self, rows: Tensor) -> None:
        """Along the axes of standardised rows (N, L), if one of them is narrow."""
        variance, axes = torch.linalg.eigh(_correlations(rows))
        if variance.min() >= NARROW:
            return
        along = rows @ axes
        self.axes.copy_(axes)
        self.second = Standardise(along.float())
        narrow = along.std(0, unbiased=False) < ROUNDING
        self.second.bent &= ~narrow
        self.second.scale.copy_(torch.where(narrow, ROUNDING, self.second.scale))
        self.second.loc.copy_(torch.where(narrow, 0.0, self.second.loc))

    def forward(self, rows: Tensor) -> Tensor:
        straight: Tensor = self.first(rows)
        turned: Tensor = self.second(straight @ self.axes if self.axes.numel() else straight)
        return turned


def _correlations(rows: Tensor) -> Tensor:
    """Of the components of (N, L); one that is constant has none, and a variance of 1."""
    centred = rows - rows.mean(0)
    found = centred.T @ centred / len(rows)
    spread = found.diagonal().sqrt()
    scale = torch.where(spread > 0, spread, torch.ones_like(spread))
    found = found / (scale * scale[:, None])
    found.fill_diagonal_(1.0)
    return found


__all__ = ["Whiten"]
