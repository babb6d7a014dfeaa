"""A network that makes vectors of fields, and the symmetries of their grid.

Where a field is periodic, convolutions wrap around; else cells beyond its edge repeat those at the
edge. One stage per entry of `widths` halves the grid and adds one residual convolution. Of every
stage's features (small scales are read off early stages, large ones off late ones) the network
takes the mean over the grid and the logarithm of the mean square, which is a learned band power; a
perceptron makes vectors of them. So the output for a periodic field is exactly invariant under
shifts by multiples of 2^stages pixels; its other shifts, and the reflections and rotations by right
angles of any field, are learned from augmentation. Nothing normalises features map by map: that
would hide the amplitude of the field, which is what sigma_8 is about.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sbipipe.records import InputError

Pad = Callable[[Tensor, int], Tensor]
"""Gives fields (b, C, *space) so many cells more on every side."""

FLOOR = 1e-4
"""Mean square of a feature below which its logarithm says no more (inputs have unit variance)."""


class FieldNetwork(nn.Module):
    """Vectors (N, outputs) from fields (N, channels, *space).

    Args:
        channels: The number of channels of the fields.
        dimensions: The number of dimensions of space, 1 to 3.
        widths: The number of features of each stage.
        outputs: The length of the vectors.
        periodic: Whether opposite sides of the fields meet.
    """

    def __init__(
        self,
        *,
        channels: int,
        dimensions: int,
        widths: Sequence[int],
        outputs: int,
        periodic: bool = True,
    ) -> None:
        super().__init__()
        pairs = itertools.pairwise((channels, *widths))
        self.stages = nn.ModuleList(
            _Stage(before, after, dimensions, overlap=int(index == 0), periodic=periodic)
            for index, (before, after) in enumerate(pairs)
        )
        self.head = nn.Sequential(
            nn.Linear(2 * sum(widths), 64),
            nn.SiLU(),
            nn.Linear(64, 64),
            nn.SiLU(),
            nn.Linear(64, outputs),
        )

    def features(self, x: Tensor) -> Iterator[Tensor]:
        """The features of each stage, on a grid half as fine as that of the one before."""
        for stage in self.stages:
            x = stage(x)
            yield x

    def forward(self, x: Tensor) -> Tensor:
        pooled = []
        for features in self.features(x):
            cells = features.flatten(2)
            pooled += [cells.mean(2), torch.log(cells.square().mean(2) + FLOOR)]
        vectors: Tensor = self.head(torch.cat(pooled, 1))
        return vectors


class _Stage(nn.Module):
    """A convolution that halves the grid, and a residual one."""

    def __init__(
        self, before: int, after: int, dimensions: int, *, overlap: int, periodic: bool
    ) -> None:
        super().__init__()
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
        self.overlap = overlap
        self.pad = padding(periodic)
        self.down = convolution(before, after, 2 + 2 * overlap, stride=2)
        self.residual = convolution(after, after, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.silu(self.down(self.pad(x, self.overlap)))
        return h + functional.silu(self.residual(self.pad(h, 1)))


class _Wrap(torch.autograd.Function):
    """Periodic cells before and behind one axis. `functional.pad` takes twice as long backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int, width: int) -> Tensor:
        ctx.axis, ctx.width = axis, width
        return _wrapped(x, axis, width)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), axis, width = gradients, ctx.axis, ctx.width
        size = gradient.shape[axis] - 2 * width
        inner = gradient.narrow(axis, width, size).clone()
        inner.narrow(axis, size - width, width).add_(gradient.narrow(axis, 0, width))
        inner.narrow(axis, 0, width).add_(gradient.narrow(axis, size + width, width))
        return inner, None, None


def _wrapped(x: Tensor, axis: int, width: int) -> Tensor:
    size = x.shape[axis]
    head, tail = x.narrow(axis, 0, width), x.narrow(axis, size - width, width)
    return torch.cat([tail, x, head], axis)


def wrap(x: Tensor, width: int) -> Tensor:
    """`width` periodic cells more on every side of (b, C, *space). Where nothing goes backwards
    through it, `torch.func` may go forwards."""
    if width:
        for axis in range(2, x.ndim):
            if x.requires_grad:
                x = cast(Tensor, _Wrap.apply(x, axis, width))  # type: ignore[no-untyped-call]
            else:
                x = _wrapped(x, axis, width)
    return x


def repeat_edges(x: Tensor, width: int) -> Tensor:
    """`width` cells more on every side of (b, C, *space), each like the nearest of x."""
    return functional.pad(x, (width, width) * (x.ndim - 2), mode="replicate") if width else x


def padding(periodic: bool) -> Pad:
    """What makes fields larger whose opposite sides meet, or do not."""
    return wrap if periodic else repeat_edges


def random_symmetry(x: Tensor, *, periodic: bool = True) -> Tensor:
    """A batch (b, C, *space) under a random symmetry of its grid.

    Args:
        periodic: Whether opposite sides of the fields meet: only then are they shifted, too.
    """
    if periodic:
        space = range(2, x.ndim)
        shifts = [int(torch.randint(x.shape[axis], ())) for axis in space]
        x = torch.roll(x, shifts, tuple(space))
    groups = list(_symmetry_group(x))
    permutation, mirrored = groups[int(torch.randint(len(groups), ()))]
    return x.permute(0, 1, *permutation).flip(mirrored).contiguous()


def augmented(periodic: bool, x: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of fields under a random symmetry of their grid, and of what else is known of them."""
    return random_symmetry(x, periodic=periodic), other


def symmetries(x: Tensor) -> Iterator[Tensor]:
    """x under every reflection and rotation of its grid by right angles: the group D4 on squares,
    the 48 of the cube on cubes."""
    for permutation, mirrored in _symmetry_group(x):
        yield x.permute(0, 1, *permutation).flip(mirrored)


def _symmetry_group(x: Tensor) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Permutations of the axes of space that keep its shape, times sets of axes to mirror."""
    space = range(2, x.ndim)
    mirrors = [
        axes for count in range(len(space) + 1) for axes in itertools.combinations(space, count)
    ]
    for permutation in itertools.permutations(space):
        if all(x.shape[a] == x.shape[b] for a, b in zip(permutation, space, strict=True)):
            yield from ((permutation, axes) for axes in mirrors)


def check_sides(sides: Sequence[int], stages: int, who: str) -> None:
    """Raise InputError for a grid that cannot be halved so often."""
    if any(side % 2**stages for side in sides):
        raise InputError(
            f"{who}: given fields with sides {tuple(sides)}; allowed: multiples of {2**stages}, "
            f"since each of the network's {stages} stages halves them"
        )
