r"""The reduced bispectrum of square maps, equilateral and folded.

Of the whitened map g_k = f_k / sqrt(R(k)), with R the mean of |f_k|^2 over the reference fields, in
units of its band's power:

    Q(k) = <g_k g_p g_q> / <|g_k|^2>^{3/2},    k + p + q = 0,

equilateral (|p| ~ |q| ~ k) and folded (p ~ q ~ -k/2). lenstools rounds p to the grid towards zero
and closes the triangle with q, so triangles of small k are only roughly so.

Maps that are not periodic are tapered by w (`physics.taper`), and Q is divided by
<w^3> / <w^2>^{3/2}, so that it is that of a periodic map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbipipe.interfaces import Array, Fields
from sbipipe.physics.taper import cubed, tapered
from sbipipe.statistics import (
    Axis,
    Kind,
    Resolution,
    _lenstools,
    bins,
    each_channel,
    middles,
    ratio,
)
from sbipipe.statistics._bands import Bands, inverse, mean_squared_modes, squared_modes
from sbipipe.statistics.power_spectrum import k_fundamental

__all__ = ["Bispectrum"]

SHAPES = ("equilateral", "folded")

BANDS = 16
"""Twice the bands of the bispectrum where none are asked for."""


@dataclass(frozen=True, kw_only=True)
class Bispectrum:
    """Q(k) of two shapes of triangles.

    Attributes:
        triangles: The edges of the bands, in cycles along a side.
        reference: R, with shape (n, n // 2 + 1).
    """

    triangles: tuple[Array, ...]
    reference: tuple[Array, ...]

    title: ClassVar[str] = "bispectrum"
    together: ClassVar[bool] = False

    @staticmethod
    def obstacle(data: Fields) -> str:
        """Fields have to be square maps."""
        return _lenstools.obstacle(data)

    @classmethod
    def of(cls, reference: Array, data: Fields, resolution: Resolution) -> Bispectrum:
        """Half as many bands as the power spectrum has."""
        edges = triangle_edges(data.geometry.pixels[0], (resolution.bands or BANDS) // 2)
        channels = np.moveaxis(tapered(reference, data.geometry), 1, 0)
        means = tuple(mean_squared_modes(channel) for channel in channels)
        return cls(triangles=(edges,) * len(means), reference=means)

    def axes(self, data: Fields) -> tuple[Axis, ...]:
        """Two curves a channel, at the middle of each band."""
        return tuple(
            Axis(
                curve=f"{shape} {self.title}",
                channel=c,
                x=middles(edges) * k_fundamental(data),
                x_label=f"k [{data.geometry.k_unit}]",
                y_label=f"{shape} Q(k)",
                names=tuple(f"{shape} bispectrum, k = {band}" for band in bins(edges)),
                kinds=(Kind.NUMBER,) * (len(edges) - 1),
            )
            for c, edges in enumerate(self.triangles)
            for shape in SHAPES
        )

    def measure(self, fields: Array, data: Fields) -> Array:
        """Equilateral, then folded Q(k) of each channel, (N, C, n, n) -> (N, L)."""
        n = data.geometry.pixels[0]
        scales = [inverse(one) for one in self.reference]
        bands = [Bands.of(edges, n, 2) for edges in self.triangles]
        channels = list(zip(self.triangles, bands, scales, strict=True))
        found = each_channel(tapered(fields, data.geometry), channels, _reduced)
        return found / cubed(data.geometry)


def triangle_edges(n: int, count: int) -> Array:
    """Bands of equal width, at least 1.5, from k = 2 to the Nyquist wavenumber."""
    return np.linspace(2.0, n / 2, max(1, min(count, int((n / 2 - 2) / 1.5))) + 1)


def _reduced(field: Array, channel: tuple[Array, Bands, Array]) -> Array:
    edges, bands, scale = channel
    single = _lenstools.single(field)
    centred = single - single.mean()
    power = bands.mean(squared_modes(centred) * scale)
    triples = (_lenstools.triangles(centred, edges, shape, scale) for shape in SHAPES)
    return np.concatenate([ratio(triple, power**1.5) for triple in triples])
