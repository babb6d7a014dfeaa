r"""Isotropic bands of the waves of a grid, in any dimension.

A band holds the modes whose |k| lies between two edges; the mode k = 0 has a band of its own, and
edges rise by a factor of 1.1, or by more where no mode lies between. |k| counts waves per pixel, so
grids with unequal sides have round bands too. A *filter* multiplies each band of each channel, so
it commutes with every shift, reflection and right-angle rotation of the grid.

Waves are Fourier's on a periodic grid. On one that is not they are cosines (`cosines`), as if the
field were mirrored at its sides; filters then commute with reflections and rotations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sbipipe.interfaces import Array, Index
from sbipipe.physics.cosines import cosines, of_cosines

RATIO = 1.1
"""Of a band's edges: finer bands fit a steep spectrum better and average over fewer modes."""

TOGETHER = 256
"""Fields whose waves are held at once."""


@dataclass(frozen=True)
class Bands:
    """The bands of a grid.

    Args:
        sides: Of the grid, in pixels.
        periodic: Whether opposite sides meet.
    """

    sides: tuple[int, ...]
    periodic: bool = True

    @cached_property
    def of_mode(self) -> Index:
        """The band of each mode, with the shape of the grid, in the order of `waves`."""
        lengths, which = np.unique(np.round(self._length, 9), return_inverse=True)
        band = np.zeros(len(lengths), np.int64)
        start = 0.0
        for i, length in enumerate(lengths[1:], 1):
            new = start == 0 or length > start * RATIO
            start = length if new else start
            band[i] = band[i - 1] + int(new)
        return np.asarray(band[which].reshape(self.sides))

    @cached_property
    def modes(self) -> Array:
        """How many modes each band has, with shape (b,)."""
        return np.bincount(self.of_mode.ravel()).astype(np.float64)

    @cached_property
    def lengths(self) -> Array:
        """The mean |k| of the modes of each band, with shape (b,) [waves per pixel]."""
        return np.bincount(self.of_mode.ravel(), self._length.ravel()) / self.modes

    @property
    def _length(self) -> Array:
        """|k| of each mode, with the shape of the grid, in the order of `waves`."""
        axes = [
            np.fft.fftfreq(side) if self.periodic else np.arange(side) / (2 * side)
            for side in self.sides
        ]
        squares = sum(k**2 for k in np.meshgrid(*axes, indexing="ij"))
        return np.asarray(np.sqrt(squares))

    def __len__(self) -> int:
        return len(self.modes)

    @property
    def pixels(self) -> int:
        """Of one channel."""
        return int(np.prod(self.sides))

    def waves(self, fields: Tensor) -> Tensor:
        """The orthonormal transform of fields (n, C, *space), with their shape."""
        if not self.periodic:
            return cosines(fields)
        waves: Tensor = torch.fft.fftn(fields, dim=tuple(range(2, fields.ndim)), norm="ortho")
        return waves

    def squares(self, fields: Tensor) -> Tensor:
        """|X_c|^2 of every mode, with shape (n, C, pixels), of fields (n, C, *space)."""
        waves = self.waves(fields).flatten(2)
        real = waves.real.square()
        return real + waves.imag.square() if waves.is_complex() else real

    def moments(self, fields: Tensor) -> Tensor:
        """Second moments of the channels and of the constant one, band by band.

        Args:
            fields: With shape (N, C, *space).

        Returns:
            (N, b, C + 1, C + 1) in float64: sums of X_c conj(X_c') over the modes of each band, in
            the orthonormal transform; the constant field is one everywhere, so it lives in the
            band of k = 0.
        """
        count, channels = fields.shape[:2]
        waves = self.waves(fields.double()).flatten(2)
        onto = self.membership(waves.real)
        out = torch.zeros(count, len(self), channels + 1, channels + 1, dtype=torch.float64)
        for a in range(channels):
            for b in range(a, channels):
                out[:, :, a, b] = out[:, :, b, a] = (waves[:, a] * waves[:, b].conj()).real @ onto
            out[:, 0, a, -1] = out[:, 0, -1, a] = waves[:, a, 0].real * self.pixels**0.5
        out[:, 0, -1, -1] = self.pixels
        return out

    def spectra(self, fields: Tensor) -> Tensor:
        """The mean X_c conj(X_c') over the modes of each band, (N, b, C, C), of fields
        (N, C, *space)."""
        sums = [self.moments(part)[..., :-1, :-1] for part in torch.split(fields, TOGETHER)]
        return torch.cat(sums) / torch.from_numpy(self.modes)[:, None, None]

    def power(self, fields: Tensor) -> Tensor:
        """The mean |X_c|^2 over the modes of each band, (N, b, C), of fields (N, C, *space)."""
        return self.spectra(fields).diagonal(dim1=-2, dim2=-1)

    def membership(self, like: Tensor) -> Tensor:
        """One where a mode (pixels,) lies in a band (b,), else zero; of the kind of `like`."""
        onto = like.new_zeros(self.pixels, len(self))
        onto[torch.arange(self.pixels), torch.from_numpy(self.of_mode.ravel())] = 1
        return onto

    def filter(self, fields: Tensor, gains: Tensor) -> Tensor:
        """Fields (n, C, *space) through gains (n, b, C_out, C + 1), the last one for the constant
        field, to (n, C_out, *space)."""
        space = tuple(range(2, fields.ndim))
        waves = torch.fft.rfftn(fields, dim=space) if self.periodic else cosines(fields)
        spread = gains[..., :-1][:, self._stored(fields.device)]  # (n, *stored, C_out, C)
        channels = range(fields.shape[1])
        parts = [spread[..., c].movedim(-1, 1) * waves[:, c : c + 1] for c in channels]
        total = torch.stack(parts).sum(0)
        out: Tensor = (
            torch.fft.irfftn(total, s=self.sides, dim=space) if self.periodic else of_cosines(total)
        )
        return out + gains[:, 0, :, -1].view(len(fields), -1, *(1,) * len(space))

    def _stored(self, device: torch.device) -> Tensor:
        """`of_mode` of the waves of `filter`: of a periodic grid the half that `rfftn` gives."""
        last = self.sides[-1] // 2 + 1 if self.periodic else self.sides[-1]
        return torch.from_numpy(self.of_mode[..., :last]).to(device)


def bands_of(shape: Sequence[int], *, periodic: bool = True) -> Bands:
    """The bands of fields with shape (C, *space)."""
    return Bands(tuple(int(side) for side in shape[1:]), periodic)


__all__ = ["Bands", "bands_of"]
