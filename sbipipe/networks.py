"""Networks for fields.

Fields of a periodic box have no edge, so every convolution wraps around (circular padding), and
means over all pixels at the end make the output independent of the origin. Each stage is a
pre-activation residual block (He et al. 2016, arXiv 1603.05027) that halves the resolution; its
second convolution starts at zero, so that the stack starts as a smooth average. Nothing normalises
features field by field: that would hide the amplitude. The means of all stages are read off: small
scales early, large ones late. Isotropy is taught by augmentation with the symmetries of the square
or cube.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class PeriodicResNet(nn.Module):
    """Vectors (N, outputs) from fields (N, channels, *space).

    Args:
        channels: Of the fields.
        dims: Number of spatial dimensions, 2 or 3.
        width: Features of the first stage; each stage doubles them.
        outputs: Length of the vectors.
        stages: Each halves the resolution.
    """

    def __init__(
        self, *, channels: int, dims: int, width: int, outputs: int, stages: int = 3
    ) -> None:
        super().__init__()
        if dims not in (2, 3):
            raise ValueError(f"given fields with {dims} spatial dimensions; allowed: 2 or 3")
        widths = [width * 2**stage for stage in range(stages)]
        self.stem = _convolution(dims, channels, width, stride=2)
        pairs = itertools.pairwise([width, *widths])
        self.stages = nn.ModuleList(_Block(dims, before, after) for before, after in pairs)
        self.head = nn.Sequential(
            nn.Linear(sum(widths), widths[-1]), nn.GELU(), nn.Linear(widths[-1], outputs)
        )

    def forward(self, fields: Tensor) -> Tensor:
        features, means = self.stem(fields), []
        for stage in self.stages:
            features = stage(features)
            means.append(functional.gelu(features).flatten(2).mean(2))
        vectors: Tensor = self.head(torch.cat(means, 1))
        return vectors


class _Block(nn.Module):
    """Two convolutions beside a shortcut, then a halving of the resolution."""

    def __init__(self, dims: int, before: int, after: int) -> None:
        super().__init__()
        last = _convolution(dims, after, after)
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        self.body = nn.Sequential(nn.GELU(), _convolution(dims, before, after), nn.GELU(), last)
        self.shortcut = _convolution(dims, before, after, size=1)
        pools: dict[int, Any] = {2: functional.avg_pool2d, 3: functional.avg_pool3d}
        self.pool = pools[dims]

    def forward(self, features: Tensor) -> Tensor:
        total = self.shortcut(features) + self.body(features)
        kernel = [min(2, size) for size in total.shape[2:]]
        pooled: Tensor = self.pool(total, kernel, ceil_mode=True)
        return pooled


def _convolution(dims: int, before: int, after: int, stride: int = 1, size: int = 3) -> nn.Module:
    kinds: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
    module: nn.Module = kinds[dims](
        before, after, size, stride=stride, padding=size // 2, padding_mode="circular"
    )
    return module


def random_symmetry(fields: Tensor) -> Tensor:
    """Fields (N, C, *space) under one random symmetry of the square (D4) or cube (O_h).

    Draws from torch's generator. Axes are exchanged only where they are equally long.
    """
    axes = list(range(2, fields.ndim))
    flips = [axis for axis in axes if torch.rand(()) < 0.5]
    order = [axes[i] for i in torch.randperm(len(axes))]
    if len({fields.shape[axis] for axis in axes}) == 1:
        fields = fields.permute(0, 1, *order)
    return fields.flip(flips) if flips else fields
