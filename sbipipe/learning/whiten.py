r"""Vectors along their principal axes, where their components say nearly the same.

Twelve readings of one curve are nearly one number, and what the noise does is in the small
differences between them, which a network hardly sees. So standardised rows z (`standardise`) are
turned to the axes A of their correlations, R = A diag(l) A^T, and standardised again,

    y = standard(A^T z),

each axis bent where its tail is heavy, like a component. Where no combination of the components is
as narrow as l = `NARROW`, nothing is turned, and y = z to the bit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sbipipe.learning.standardise import Standardise

NARROW = 0.1
"""The variance of an axis, in units of that of a component, below which rows are turned."""

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
        straight = self.first(rows.float()).double()
        variance, axes = torch.linalg.eigh(_correlations(straight))
        turns = bool(variance.min() < NARROW)
        self.register_buffer("axes", (axes if turns else torch.eye(len(axes))).float())
        along = straight @ axes if turns else straight.new_zeros(2, len(axes))
        self.second = Standardise(along.float())
        narrow = along.std(0, unbiased=False) < ROUNDING
        if turns and narrow.any():
            self.second.bent &= ~narrow
            self.second.scale.copy_(torch.where(narrow, ROUNDING, self.second.scale))
            self.second.loc.copy_(torch.where(narrow, 0.0, self.second.loc))

    @property
    def loc(self) -> Tensor:
        """A buffer with one number for each axis."""
        return self.second.loc

    def forward(self, rows: Tensor) -> Tensor:
        whitened: Tensor = self.second(self.first(rows) @ self.axes)
        return whitened

    def inverse(self, rows: Tensor) -> Tensor:
        """Vectors from whitened ones (..., L)."""
        return self.first.inverse(self.second.inverse(rows) @ self.axes.T)

    def log_det(self, rows: Tensor) -> Tensor:
        """log |d whitened / d rows| of vectors, (..., L) -> (...), in float64."""
        return self.first.log_det(rows) + self.second.log_det(self.first(rows) @ self.axes)


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
