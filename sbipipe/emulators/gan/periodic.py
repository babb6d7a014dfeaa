r"""Two players that know the symmetries of a field's grid.

**Generator.** White noise on the coarsest grid goes through wrapped convolutions; between one grid
and the next, twice as fine, each cell becomes four equal ones (nearest up-sampling), and fresh
noise is added to the features. There is no place that differs from another: where the noise of
every grid is shifted, each by as much of the box, so is the field, to the last bit but rounding.
Convolutions of fields that do not wrap around repeat what lies at their sides instead.

**Critic.** The same grids downwards, by convolutions of stride 2. Of every grid's features it takes
the mean over cells and the logarithm of the mean square, so it is invariant under shifts by cells
of the coarsest grid; other symmetries it learns from fields in random positions. Beside these it
may read the power of the field (`spectrum`). Its answer h is a number plus a product of h with an
embedding of theta (projection, Miyato & Koyama 2018, arXiv 1802.05637).

Theta enters the convolutions of both through FiLM (Perez et al. 2018, arXiv 1709.07871).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from sbipipe.emulators.gan.spectrum import LogPower
from sbipipe.learning.networks import FLOOR, padding

EMBEDDED = 32
"""The length of the embedding of theta."""

WIDEST = 4
"""The largest number of features, in units of that on the finest grid."""

HIDDEN = 128
"""The width of the critic's last layer."""


def widths(width: int, levels: int) -> tuple[int, ...]:
    """The features of each grid, the coarsest first."""
    return tuple(width * min(2**level, WIDEST) for level in range(levels, -1, -1))


def embedding(conditions: int) -> nn.Module:
    """Of parameters (n, D); nothing, (n, 0), where there are none."""
    if not conditions:
        return nn.Identity()
    return nn.Sequential(
        nn.Linear(conditions, EMBEDDED), nn.SiLU(), nn.Linear(EMBEDDED, EMBEDDED), nn.SiLU()
    )


Bend = Callable[[Tensor], Tensor]
"""What bends features, one by one."""


class _Residual(nn.Module):
    """A 3 x 3 convolution, whose features are scaled and shifted by theta, on top of what it is
    given."""

    def __init__(
        self, features: int, conditions: int, periodic: bool, bend: Bend = functional.silu
    ) -> None:
        super().__init__()
        self.pad = padding(periodic)
        self.bend = bend
        self.convolution = nn.Conv2d(features, features, 3)
        self.film = nn.Linear(EMBEDDED, 2 * features) if conditions else None
        if self.film:
            nn.init.zeros_(self.film.weight)
            nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        h = self.convolution(self.pad(x, 1))
        if self.film:
            scale, shift = self.film(embedded)[..., None, None].chunk(2, 1)
            h = torch.addcmul(shift, h, 1 + scale)
        return x + self.bend(h)


class PeriodicGenerator(nn.Module):
    """Fields (n, C, *space) from noise on every grid and theta.

    Args:
        shape: Of a field, (C, *space).
        conditions: The number of parameters it is given.
        width: The features on the finest grid.
        levels: How often the grid is halved.
        maps: The maps of noise on each grid, but for the coarsest, which has one a feature.
        floor: What no pixel of a channel is below, with shape (C,); None for no floor.
        bend: The activation between the layers.
        periodic: Whether opposite sides of fields meet.
    """

    floor: Tensor

    def __init__(
        self, *, shape: Sequence[int], conditions: int, width: int, levels: int, maps: int,
        floor: Tensor | None = None, bend: Bend = functional.silu, periodic: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pad = padding(periodic)
        own = torch.full((shape[0],), -torch.inf) if floor is None else floor.float()
        self.register_buffer("floor", own.view(-1, 1, 1), persistent=False)
        self.bend = bend
        sizes = widths(width, levels)
        self.noise_shapes = tuple(
            (sizes[0] if level == levels else maps, *(side // 2**level for side in shape[1:]))
            for level in range(levels, -1, -1)
        )
        self.embed = embedding(conditions)
        self.noise = nn.ModuleList(
            nn.Conv2d(grid[0], size, 1) for grid, size in zip(self.noise_shapes, sizes, strict=True)
        )
        self.finer = nn.ModuleList(nn.Conv2d(*pair, 1) for pair in pairwise(sizes))
        self.residual = nn.ModuleList(_Residual(size, conditions, periodic, bend) for size in sizes)
        self.out = nn.Conv2d(sizes[-1], shape[0], 3)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, s: Tensor, noise: Sequence[Tensor]) -> Tensor:
        embedded = self.embed(s)
        h = noise[0].new_zeros(())
        for level, (into, residual) in enumerate(zip(self.noise, self.residual, strict=True)):
            fresh = into(noise[level].contiguous(memory_format=torch.channels_last))
            if level:
                h = functional.interpolate(self.finer[level - 1](h), scale_factor=2.0)
            h = residual(self.bend(h + fresh), embedded)
        fields: Tensor = self.out(self.pad(h, 1))
        return torch.maximum(fields, self.floor).contiguous()


class PeriodicCritic(nn.Module):
    """How true a field looks, (n,), from what it reads of it and theta.

    Args:
        shape, conditions, width, levels: Those of the generator.
        spectrum: Whether it reads the power of the field.
        periodic: Whether opposite sides of fields meet.
    """

    def __init__(
        self, *, shape: Sequence[int], conditions: int, width: int, levels: int, spectrum: bool,
        periodic: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pad = padding(periodic)
        sizes = widths(width, levels)[::-1]
        self.power = LogPower(shape, periodic=periodic) if spectrum else None
        self.embed = embedding(conditions)
        self.first = nn.Conv2d(shape[0], sizes[0], 3)
        self.coarser = nn.ModuleList(
            nn.Conv2d(before, after, 2, stride=2) for before, after in pairwise(sizes)
        )
        self.residual = nn.ModuleList(_Residual(size, conditions, periodic) for size in sizes[1:])
        embedded = EMBEDDED if conditions else 0
        read = 2 * sum(sizes) + embedded + (self.power.length if self.power else 0)
        self.hidden = nn.Sequential(
            nn.Linear(read, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2)
        )
        self.answer = nn.Linear(HIDDEN, 1)
        self.project = nn.Linear(EMBEDDED, HIDDEN) if conditions else None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def read(self, fields: Tensor) -> tuple[Tensor, ...]:
        """What it reads of fields: themselves, and their power."""
        return (fields, self.power(fields)) if self.power else (fields,)

    def forward(self, read: Sequence[Tensor], s: Tensor) -> Tensor:
        embedded = self.embed(s)
        hidden = self._hidden(read, embedded)
        answer: Tensor = self.answer(hidden)[:, 0]
        if self.project:
            answer = answer + (hidden * self.project(embedded)).mean(1)
        return answer

    def features(self, read: Sequence[Tensor], s: Tensor) -> Tensor:
        """What it answers from, (n, HIDDEN)."""
        return self._hidden(read, self.embed(s))

    def _hidden(self, read: Sequence[Tensor], embedded: Tensor) -> Tensor:
        fields = read[0].contiguous(memory_format=torch.channels_last)
        h = functional.silu(self.first(self.pad(fields, 1)))
        found = [embedded, *read[1:], *_pooled(h)]
        for coarser, residual in zip(self.coarser, self.residual, strict=True):
            h = residual(functional.silu(coarser(h)), embedded)
            found += _pooled(h)
        hidden: Tensor = self.hidden(torch.cat(found, 1))
        return hidden


def _pooled(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over cells, and the logarithm of the mean square."""
    cells = features.flatten(2)
    return cells.mean(2), torch.log(cells.square().mean(2) + FLOOR)


__all__ = ["PeriodicCritic", "PeriodicGenerator"]
