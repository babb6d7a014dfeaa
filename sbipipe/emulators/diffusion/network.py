r"""A U-Net for fields at a noise level, given parameters.

Ho, Jain & Abbeel 2020 (arXiv 2006.11239) for fields of one to three dimensions.
Level l of the network works on the grid halved l times. Between levels a field is averaged over
cells of 2^d and convolved, or repeated and convolved, which no axis or direction is special to;
every convolution wraps around where the fields do, and else repeats what lies at their sides. So
the output moves with the input under shifts of a periodic field by multiples of the coarsest cell,
and a network knows of no grid size: weights learned on small fields go on on larger ones.

lambda and theta become one vector e, which in every residual block scales and shifts the features
(FiLM; Perez et al. 2018, arXiv 1709.07871),

    h = x + conv(silu((1 + a(e)) norm(conv(silu(norm(x)))) + b(e))).

Group normalisation forgets the amplitude of a field, which is what sigma_8 is about. But x in the
line above is not normalised: at the start of training (where the second convolution is zero) the
whole network is affine in z. The last convolution reads these sums, scaled and shifted by e, and z.

Under autocast e, a and b, the first and the last convolution stay in the precision of the weights:
eight bits of z would hide the noise at high signal-to-noise, and eight bits of e would make steps
in theta.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sbipipe.learning.networks import Pad, check_sides, padding

M = TypeVar("M", bound=nn.Module)

SHORTEST, LONGEST = 4.0, 128.0
"""Periods, in lambda, of the waves that embed it."""

LAST = 0.01
"""Size of the output at the start, if the features it is made of have unit variance.

Near zero, as suits a correction; not zero, since the product of two zeros learns nothing.
"""


class UNet(nn.Module):
    """Fields (n, outputs, *space) from fields (n, channels, *space), lambda and parameters.

    For two-dimensional fields of one channel and two parameters, `width=16, multipliers=(1, 2),
    blocks=1` (a laptop) has 0.06 million weights, and `width=64, multipliers=(1, 2, 4, 8)` (Mudur
    et al. 2023) 21.3 million.

    Args:
        channels: Of the fields.
        outputs: Channels of the result.
        dimensions: Of space, 1 to 3.
        width: Features of the finest level.
        multipliers: Features of each level, in units of `width`.
        blocks: Residual blocks of each level, on the way down and on the way up.
        conditions: Number of parameters; 0 for none.
        attention_below: Cells attend to each other on levels with at most so many; 0 for none.
            A larger grid has fewer such levels, and does not use the weights of the others.
        periodic: Whether opposite sides of fields meet.
    """

    def __init__(
        self,
        *,
        channels: int,
        outputs: int,
        dimensions: int,
        width: int = 16,
        multipliers: Sequence[int] = (1, 2),
        blocks: int = 2,
        conditions: int = 0,
        attention_below: int = 0,
        periodic: bool = True,
    ) -> None:
        super().__init__()
        pad = padding(periodic)
        widths = [width * multiplier for multiplier in multipliers]
        self.halvings = len(widths) - 1
        self.embedding = _Embedding(8, conditions, 4 * width)
        self.first = _Convolution(channels, widths[0], dimensions, pad)
        self.levels = _Level(widths, dimensions, blocks, 4 * width, attention_below, pad)
        self.film = _Film(4 * width, widths[0])
        self.last = _Convolution(channels + widths[0], outputs, dimensions, pad)
        weight, bias = self.last.parameters()
        nn.init.normal_(weight, std=LAST / math.sqrt(weight[0].numel()))
        nn.init.zeros_(bias)

    def forward(self, z: Tensor, log_snr: Tensor, s: Tensor | None = None) -> Tensor:
        """For lambda (n,) and parameters s (n, conditions), which nothing reads if there are none.

        Raises:
            InputError: If the sides cannot be halved as often as there are levels.
        """
        check_sides(z.shape[2:], self.halvings, "the diffusion model's network")
        with _exact(z):
            e = self.embedding(log_snr, s)
            h = _interleave(self.first(z))
        h = self.levels(h, e)
        with _exact(z):
            fields: Tensor = self.last(torch.cat([_interleave(z), self.film(h, e)], 1))
        return fields


def _exact(x: Tensor) -> torch.autocast:
    """The precision of the weights, on the device of x."""
    return torch.autocast(x.device.type, enabled=False)


def _interleave(h: Tensor) -> Tensor:
    """The same with the features of a cell side by side in memory, which is faster for maps."""
    return h.contiguous(memory_format=torch.channels_last) if h.ndim == 4 else h


class _Embedding(nn.Module):
    """The vector e (n, length), from lambda as waves of several periods and from s."""

    waves: Tensor

    def __init__(self, waves: int, conditions: int, length: int) -> None:
        super().__init__()
        periods = torch.logspace(math.log2(SHORTEST), math.log2(LONGEST), waves, base=2)
        self.register_buffer("waves", 2 * math.pi / periods, persistent=False)
        self.of_level = _perceptron(2 * waves, length)
        self.of_parameters = _perceptron(conditions, length) if conditions else None

    def forward(self, log_snr: Tensor, s: Tensor | None) -> Tensor:
        phases = log_snr[:, None] * self.waves
        e: Tensor = self.of_level(torch.cat([phases.sin(), phases.cos()], 1))
        if self.of_parameters is not None:
            e = e + self.of_parameters(s)
        return functional.silu(e)


def _perceptron(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.SiLU(), nn.Linear(outputs, outputs))


class _Level(nn.Module):
    """Blocks on one grid; between them, what the coarser grids make of it."""

    def __init__(
        self, widths: Sequence[int], dimensions: int, blocks: int, embedding: int, attention: int,
        pad: Pad,
    ) -> None:  # fmt: skip
        super().__init__()
        own, coarser = widths[0], widths[1:]

        def chain(inputs: int) -> nn.ModuleList:
            befores = [inputs] + [own] * (blocks - 1)
            every = (_Block(before, own, dimensions, embedding, pad) for before in befores)
            return nn.ModuleList(every)

        self.before = chain(own)
        self.attention = _Attention(own, attention) if attention else nn.Identity()
        self.coarser: nn.Module | None = None
        if coarser:
            self.down = _Convolution(own, coarser[0], dimensions, pad)
            self.coarser = _Level(coarser, dimensions, blocks, embedding, attention, pad)
            self.up = _Convolution(coarser[0], own, dimensions, pad)
            self.after = chain(2 * own)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        for block in self.before:
            h = block(h, e)
        h = self.attention(h)
        if self.coarser is not None:
            large = self.coarser(self.down(_halve(h)), e)
            h = torch.cat([h, self.up(_double(large))], 1)
            for block in self.after:
                h = block(h, e)
        return h


def _halve(h: Tensor) -> Tensor:
    """Means over cells of 2^d."""
    pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[h.ndim - 3]
    return pool(h, 2)


def _double(h: Tensor) -> Tensor:
    """Every cell repeated along every axis."""
    return functional.interpolate(h, scale_factor=2.0)


class _Block(nn.Module):
    """The residual block of the module docstring."""

    def __init__(self, before: int, after: int, dimensions: int, embedding: int, pad: Pad) -> None:
        super().__init__()
        self.norms = nn.ModuleList([_norm(before), _norm(after, affine=False)])
        self.one = _Convolution(before, after, dimensions, pad)
        self.film = _Film(embedding, after)
        self.two = _zero(_Convolution(after, after, dimensions, pad))
        same = before == after
        self.past = nn.Identity() if same else _Convolution(before, after, dimensions, pad, size=1)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.one(functional.silu(self.norms[0](x)))
        h = functional.silu(self.film(self.norms[1](h), e))
        total: Tensor = self.past(x) + self.two(h)
        return total


def _norm(features: int, affine: bool = True) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, features), features, affine=affine)


def _zero(module: M) -> M:
    """The module, giving zero."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class _Film(nn.Module):
    """Features scaled and shifted by e."""

    def __init__(self, embedding: int, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding, 2 * features)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        with _exact(e):
            both = self.linear(e).view(len(h), -1, *(1,) * (h.ndim - 2))
        scale, shift = both.chunk(2, 1)
        return torch.addcmul(shift, 1 + scale, h)


class _Convolution(nn.Module):
    """With an odd kernel, of fields with cells more on every side."""

    def __init__(self, before: int, after: int, dimensions: int, pad: Pad, size: int = 3) -> None:
        super().__init__()
        self.pad = pad
        self.convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1](before, after, size)
        self.margin = size // 2

    def forward(self, x: Tensor) -> Tensor:
        fields: Tensor = self.convolution(self.pad(x, self.margin))
        return fields


class _Attention(nn.Module):
    """Each cell looks at all of its field, with heads of up to 32 features; at first at nothing."""

    def __init__(self, features: int, limit: int) -> None:
        super().__init__()
        self.limit, self.heads = limit, max(1, features // 32)
        self.norm = _norm(features)
        self.enter = nn.Linear(features, 3 * features)
        self.leave = _zero(nn.Linear(features, features))

    def forward(self, h: Tensor) -> Tensor:
        if math.prod(h.shape[2:]) > self.limit:
            return h
        cells = self.norm(h).flatten(2).transpose(1, 2)
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.enter(cells).chunk(3, 2)
        )
        seen = functional.scaled_dot_product_attention(query, key, value)
        change: Tensor = self.leave(seen.transpose(1, 2).flatten(2))
        return h + change.transpose(1, 2).reshape(h.shape)


__all__ = ["UNet"]
