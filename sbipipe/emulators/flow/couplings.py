r"""A flow from coarse to fine, of couplings between Haar's differences.

The whitened field w is split level by level into averages and differences (`haar`):

    p(w) = p(w_L) prod_l p(d_l | w_l),

with the differences d_l that make the averages w_{l-1} of the averages w_l. At each level
couplings transform half of the differences d into

    d -> exp(a) d + t,     log |det| = sum a,

where a and t come of a small convolutional network of the averages, the other differences and
theta, which wraps around where the field does and else repeats what lies at its sides. Its last
layer begins at zero, so the flow begins as the identity, and w as what the closed form says of it.
Multiscale Flow (Dai & Seljak 2023, arXiv 2306.04689), Wavelet Flow (Yu, Derpanis & Brubaker 2020,
arXiv 2010.13821).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sbipipe.emulators.flow.haar import join, split
from sbipipe.learning.networks import padding

STEEPEST = 2.0
"""Of |a|, which approaches it smoothly."""


class Coupling(nn.Module):
    """Transforms some of the differences, given the others.

    Args:
        averages, differences: Numbers of channels.
        dimensions: Of space.
        parameters: D.
        width: Features of the network.
        first: Whether it transforms the differences with even numbers, or those with odd ones.
        periodic: Whether opposite sides of fields meet.
    """

    def __init__(
        self, *, averages: int, differences: int, dimensions: int, parameters: int, width: int,
        first: bool, periodic: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pad = padding(periodic)
        even = [i for i in range(differences) if i % 2 == 0]
        odd = [i for i in range(differences) if i % 2]
        self.moved, self.kept = (even, odd) if first or not odd else (odd, even)
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
        self.inner = convolution(averages + len(self.kept), width, 3)
        self.middle = convolution(width, width, 3)
        self.outer = convolution(width, 2 * len(self.moved), 1)
        self.theta = nn.Sequential(
            nn.Linear(parameters, width), nn.SiLU(), nn.Linear(width, 4 * width)
        )
        for weights in self.outer.parameters():
            nn.init.zeros_(weights)

    def forward(self, d: Tensor, averages: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Transformed differences, and log |det| with shape (n,)."""
        a, t = self._affine(d, averages, s)
        out = d.clone()
        out[:, self.moved] = torch.exp(a) * d[:, self.moved] + t
        return out, a.flatten(1).sum(1)

    def inverse(self, d: Tensor, averages: Tensor, s: Tensor) -> Tensor:
        """The differences that `forward` transforms to these."""
        a, t = self._affine(d, averages, s)
        out = d.clone()
        out[:, self.moved] = torch.exp(-a) * (d[:, self.moved] - t)
        return out

    def _affine(self, d: Tensor, averages: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        films = self.theta(s).view(len(s), 4, -1, *(1,) * (d.ndim - 2)).unbind(1)
        h = self.inner(self.pad(torch.cat([averages, d[:, self.kept]], 1), 1))
        h = functional.silu(h * (1 + films[0]) + films[1])
        h = self.middle(self.pad(h, 1))
        h = functional.silu(h * (1 + films[2]) + films[3])
        a, t = self.outer(h).chunk(2, 1)
        return STEEPEST * torch.tanh(a / STEEPEST), t


class Couplings(nn.Module):
    """The flow from whitened fields w (n, C, *space) to white noise.

    Args:
        channels: C.
        sides: Of the grid.
        levels: How often it is halved.
        each: Couplings of each level.
        parameters: D.
        width: Features of each network.
        periodic: Whether opposite sides of fields meet.
    """

    def __init__(
        self, *, channels: int, sides: Sequence[int], levels: int, each: int, parameters: int,
        width: int, periodic: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.levels, self.each = levels, each
        self.steps = nn.ModuleList(
            Coupling(
                averages=channels,
                differences=channels * (2 ** len(sides) - 1),
                dimensions=len(sides),
                parameters=parameters,
                width=width,
                first=i % 2 == 0,
                periodic=periodic,
            )
            for i in range(levels * each)
        )

    def forward(self, w: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """White noise with the shape of w, at parameters s (n, D), and log |det|, (n,)."""
        total = torch.zeros(len(w), dtype=w.dtype, device=w.device)
        noises = []
        for level in range(self.levels):
            w, d = split(w)
            for coupling in self._of(level):
                d, log_det = coupling(d, w, s)
                total = total + log_det
            noises.append(d)
        for d in reversed(noises):
            w = join(w, d)
        return w, total

    def inverse(self, u: Tensor, s: Tensor) -> Tensor:
        """w for white noise u."""
        noises = []
        for _ in range(self.levels):
            u, d = split(u)
            noises.append(d)
        w = u
        for level in reversed(range(self.levels)):
            d = noises[level]
            for coupling in reversed(self._of(level)):
                d = coupling.inverse(d, w, s)
            w = join(w, d)
        return w

    def _of(self, level: int) -> list[Coupling]:
        """The couplings of a level, the finest of which is the first."""
        chosen = self.steps[level * self.each : (level + 1) * self.each]
        return cast(list[Coupling], list(chosen))


__all__ = ["Coupling", "Couplings"]
