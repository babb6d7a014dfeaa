r"""How far a generator's fields are from held-out ones, as one number.

Of each held-out field, and of a field drawn at its theta from noise that stays the same, statistics
t are measured: log-powers in bands (`spectrum`) and quantiles of the pixels. With Q an orthonormal
basis of the polynomials in theta over the rows, the difference of their means as functions of theta
is Q^T (t_drawn - t_true), and its standard error is sqrt(2) times the scatter of t_true about its
own polynomial. Likewise for the squared distances from that polynomial, in their mean alone: fields
should scatter as true ones do. The score is the rms of all these z.

Both errors are those of true fields alone, so a generator that is erratic gains nothing by it. Rows
of one simulation are not independent, so a perfect generator has a score of 1 or somewhat more;
what it chooses between has the same rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sbipipe.emulators.gan.noise import TOGETHER
from sbipipe.emulators.gan.spectrum import LogPower
from sbipipe.learning.chebyshev import Basis

QUANTILES = (0.002, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.998)
"""Of the pixels of each channel."""

DEGREE = 2
"""Of the polynomials in theta."""

STILL = 1e-6
"""Scatter, at most, of what all true fields have in common: a quantile among many pixels of the
least value. It has no error to compare with, and is left out."""

WORST = 1e6
"""The score of a generator that draws a field that is not finite."""

AT_ONE = 32
"""Fields drawn at one theta, for their scatter."""


def statistics(power: LogPower, y: Tensor) -> Tensor:
    """Log-powers and quantiles of fields (n, C, *space), (n, L) in float64."""
    levels = torch.tensor(QUANTILES, device=y.device)
    ordered = y.flatten(2).sort(2).values
    ranks = (levels * (ordered.shape[2] - 1)).round().long()
    return torch.cat([power(y), ordered[:, :, ranks].flatten(1)], 1).double().cpu()


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Held-out fields, and what they are compared by.

    Attributes:
        power: The log-powers of fields.
        s: What the generator is told of each row, with shape (N, D).
        noise: What it draws each row from, a tensor for each grid.
        Q: The orthonormal polynomials, with shape (N, M).
        true: The statistics of the rows, with shape (N, L).
        spread: The scatter of pixels over true fields.
        device: Where fields are drawn.
    """

    power: LogPower
    s: Tensor
    noise: tuple[Tensor, ...]
    Q: Tensor
    true: Tensor
    spread: float
    device: str

    @classmethod
    def of(
        cls, y: Tensor, s: Tensor, noise: list[Tensor], device: str, *, periodic: bool = True
    ) -> Judge:
        """From held-out fields y (N, C, *space) at s (N, D), whose opposite sides may meet."""
        power = LogPower(y.shape[1:], periodic=periodic)
        power.fit(y)
        terms = Basis(s.shape[1], DEGREE)(s.double()) if s.shape[1] else s.new_ones(len(s), 1)
        Q = torch.linalg.qr(terms.double()).Q
        true = torch.cat([statistics(power, part) for part in torch.split(y, TOGETHER)])
        spread = float(y.std(0).mean())
        return cls(
            power=power.to(device), s=s.float(), noise=tuple(noise), Q=Q, true=true,
            spread=spread, device=device,
        )  # fmt: skip

    @torch.no_grad()
    def score(self, generator: Any) -> float:
        """Of a generator as it stands."""
        drawn = [
            statistics(self.power, self._draw(generator, self.s[rows], rows))
            for rows in torch.split(torch.arange(len(self.s)), TOGETHER)
        ]
        found = distance(self.true, torch.cat(drawn), self.Q)
        return found if math.isfinite(found) else WORST

    @torch.no_grad()
    def scatter(self, generator: Any) -> float:
        """Of its fields at one theta, where that of true fields at all theta is 1."""
        rows = torch.arange(min(AT_ONE, len(self.s)))
        middle = self.s.square().sum(1).argmin()
        drawn = self._draw(generator, self.s[middle].expand(len(rows), -1), rows)
        return float(drawn.std(0).mean()) / self.spread

    def _draw(self, generator: Any, s: Tensor, rows: Tensor) -> Tensor:
        noise = [one[rows].to(self.device) for one in self.noise]
        fields: Tensor = generator(s.to(self.device), noise)
        return fields


def distance(true: Tensor, drawn: Tensor, Q: Tensor) -> float:
    """The rms of z over statistics (N, L), given orthonormal polynomials Q (N, M)."""
    centre = Q @ (Q.T @ true)
    vary = (true - centre).std(0) > STILL
    true, drawn, centre = true[:, vary], drawn[:, vary], centre[:, vary]
    own, other = true - centre, drawn - centre
    z = Q.T @ (drawn - true) / (own.std(0) * 2**0.5)
    squares, others = own.square(), other.square()
    scatter = (others - squares).mean(0) * len(true) ** 0.5 / (squares.std(0) * 2**0.5)
    return float(torch.cat([z, scatter[None]]).square().mean().sqrt())


__all__ = ["WORST", "Judge", "distance", "statistics"]
