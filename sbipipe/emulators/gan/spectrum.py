r"""The logarithm of the power of a field in isotropic bands, for a critic to read.

    p_b = log(mean over the modes of band b of |F_k|^2),

with F the orthonormal transform of each channel, less its mean and over its standard deviation
among the training fields; of several channels also the coherence of each pair, which is the real
part of the mean of F_k conj(G_k) over the root of both powers. Fields that do not wrap around are
tapered (`physics.taper`). A convolutional critic sees a
spectrum only through many layers; one that is given it asks the generator for the right power
early on (Psi-GAN, arXiv 2410.07349).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from sbipipe.physics.bands import bands_of
from sbipipe.physics.taper import taper

LEAST = 1e-8
"""Power that is added to that of every band, where fields have unit variance."""

TOGETHER = 512


class LogPower(nn.Module):
    """Band powers (n, L) of fields (n, C, *space); of the mean of a field it says nothing.

    Args:
        shape: Of a field, (C, *space).
        periodic: Whether opposite sides of fields meet.
    """

    onto: Tensor
    window: Tensor | None
    mean: Tensor
    scale: Tensor

    def __init__(self, shape: Sequence[int], *, periodic: bool = True) -> None:
        super().__init__()
        bands = bands_of(shape)
        share = bands.membership(torch.empty(0)) / torch.from_numpy(bands.modes).float()
        self.register_buffer("onto", share[:, 1:], persistent=False)
        window = None if periodic else torch.from_numpy(taper(tuple(shape[1:]))).float()
        self.register_buffer("window", window, persistent=False)
        self.pairs = tuple(combinations(range(shape[0]), 2))
        self.length = (len(bands) - 1) * (shape[0] + len(self.pairs))
        self.register_buffer("mean", torch.zeros(self.length))
        self.register_buffer("scale", torch.ones(self.length))

    @torch.no_grad()
    def fit(self, fields: Tensor) -> None:
        """Take mean and standard deviation from fields (N, C, *space)."""
        raw = torch.cat([self._raw(part) for part in torch.split(fields, TOGETHER)])
        self.mean.copy_(raw.mean(0))
        self.scale.copy_(raw.std(0).clamp_min(1e-3))

    def forward(self, fields: Tensor) -> Tensor:
        return (self._raw(fields) - self.mean) / self.scale

    def _raw(self, fields: Tensor) -> Tensor:
        space = tuple(range(2, fields.ndim))
        if self.window is not None:
            mean = (self.window * fields).mean(space, keepdim=True) / self.window.mean()
            fields = self.window * (fields - mean)
        waves = torch.fft.fftn(fields, dim=space, norm="ortho").flatten(2)
        power = (waves.real.square() + waves.imag.square()) @ self.onto + LEAST  # (n, C, b)
        parts = [power.log().flatten(1)]
        for a, b in self.pairs:
            cross = (waves[:, a] * waves[:, b].conj()).real @ self.onto
            parts.append(cross / (power[:, a] * power[:, b]).sqrt())
        return torch.cat(parts, 1)


__all__ = ["LogPower"]
