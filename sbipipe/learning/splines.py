"""Rational-quadratic splines, with their bins first.

Each number of a spline flow goes through a spline of its own, of K bins (Durkan et al. 2019, arXiv
1906.04032). zuko keeps the numbers of its bins last, and torch then takes their softmax and their
sums row by row, K = 8 at a time, which is half the time of such a flow. Here they are kept first,
so that each of these works on all rows at once. The splines are the same up to rounding.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Transform
from torch.nn import functional
from zuko.transforms import MonotonicRQSTransform


class Spline(MonotonicRQSTransform):  # type: ignore[misc]
    """zuko's spline from [-bound, bound] to itself, and the identity outside.

    Args:
        widths, heights: The bins' sides before their softmax, with shape (*, K).
        derivatives: The logarithms of the slopes between bins, with shape (*, K - 1).
        bound: Where the spline ends.
        slope: About the least slope.
    """

    def __init__(
        self,
        widths: Tensor,
        heights: Tensor,
        derivatives: Tensor,
        bound: float = 5.0,
        slope: float = 1e-3,
        **given: Any,
    ) -> None:
        Transform.__init__(self, **given)
        softest = abs(math.log(slope))
        self.horizontal, self.vertical = (
            _knots(_softened(sides, softest / 2), bound) for sides in (widths, heights)
        )
        slopes = _softened(derivatives, softest).exp()
        ends = torch.ones_like(slopes[:1])
        self.derivatives = torch.cat([ends, slopes, ends])

    @property
    def bins(self) -> int:
        """K."""
        return len(self.horizontal) - 1

    def bin(self, k: Tensor) -> tuple[Tensor, ...]:
        """Whether k (..., *) is a bin; its ends, its slopes there and its height over its width."""
        inside = (k >= 0) & (k < self.bins)
        ends = torch.stack([k % self.bins, k % self.bins + 1])
        found: list[Tensor] = []
        for knots in (self.horizontal, self.vertical, self.derivatives):
            every = _beside(knots, k).expand(-1, *k.shape)
            found += every.gather(0, ends).unbind(0)
        x0, x1, y0, y1, _, _ = found
        return inside, *found, (y1 - y0) / (x1 - x0)

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The spline's values at x (..., *), and the logarithms of its slopes there."""
        inside, x0, x1, y0, y1, d0, d1, s = self.bin(self.searchsorted(self.horizontal, x) - 1)
        z = inside * (x - x0) / (x1 - x0)
        square = z * z
        mixed = z - square
        below = s + (d0 + d1 - 2 * s) * mixed
        y = y0 + (y1 - y0) * (s * square + d0 * mixed) / below
        slope = (s / below).square() * (2 * s * mixed + d0 * (1 - z).square() + d1 * square)
        return torch.where(inside, y, x), inside * slope.log()

    @staticmethod
    def searchsorted(seq: Tensor, value: Tensor) -> Tensor:
        """The number of knots (K + 1, *) below each value (..., *)."""
        return (_beside(seq, value) < value).sum(0)


def _beside(knots: Tensor, values: Tensor) -> Tensor:
    """Knots (K + 1, *) as they broadcast against values (..., *)."""
    more = 1 + values.ndim - knots.ndim
    return knots.reshape(len(knots), *[1] * more, *knots.shape[1:])


def _softened(given: Tensor, most: float) -> Tensor:
    """Numbers (*, K) between -most and most, as K first."""
    first = given.movedim(-1, 0).contiguous()
    return first / (1 + abs(first / most))


def _knots(sides: Tensor, bound: float) -> Tensor:
    """The ends (K + 1, *) of bins whose sides are proportional to the exponentials (K, *)."""
    share = functional.softmax(sides, 0).cumsum(0)
    return bound * (2 * torch.cat([torch.zeros_like(share[:1]), share]) - 1)


def with_bins_first(net: nn.Module) -> nn.Module:
    """The network, with these splines in the place of zuko's."""
    every: list[Any] = list(net.modules())
    for module in every:
        own = getattr(module, "univariate", None)
        if isinstance(own, partial) and own.func is MonotonicRQSTransform:
            module.univariate = partial(Spline, *own.args, **own.keywords)
    return net


__all__ = ["Spline", "with_bins_first"]
