r"""The isotropic power spectrum of every channel, on grids of any dimension.

With f(k) = a sum_x f(x) exp(-i k x) on cells of volume a, and the box V,

    P(k) = <|f(k)|^2> / V = <|F_k|^2> a / n^d,

where F is numpy's transform, of the tapered field where it is not periodic (`physics.taper`);
without a box the side has the length 1. Bins are as wide as the fundamental wavenumber, the first
is centred on it, and the last on the Nyquist wavenumber.

**Fewer bands** are so wide that the spectrum bends within them. Each is then the mean over its
modes of |F_k|^2 / R(k), with R the mean of |F_k|^2 over the reference fields: dividing mode by mode
keeps a band from being ruled by its lowest k, so that a band power is close to sufficient for a
smooth spectrum. These bands have equal width in sqrt(k), hold all modes but k = 0, and are narrow
where a spectrum bends most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbipipe.interfaces import Array, Fields
from sbipipe.physics.taper import tapered
from sbipipe.statistics import Axis, Kind, Resolution, bins, each_channel
from sbipipe.statistics._bands import (
    Bands,
    inverse,
    mean_squared_modes,
    obstacle,
    squared_modes,
    squares,
)

__all__ = ["PowerSpectrum"]


@dataclass(frozen=True, kw_only=True)
class PowerSpectrum:
    """The power in bands of wavenumber.

    Attributes:
        k: The edges of the bands, in cycles along a side; the upper one belongs to its band.
        reference: R, on the stored modes of the grid; empty where the power is P itself.
    """

    k: tuple[Array, ...]
    reference: tuple[Array, ...]

    title: ClassVar[str] = "power spectrum"
    together: ClassVar[bool] = False

    @staticmethod
    def obstacle(data: Fields) -> str:
        """Fields have to have equal sides of a few pixels."""
        return obstacle(data)

    @classmethod
    def of(cls, reference: Array, data: Fields, resolution: Resolution) -> PowerSpectrum:
        """`resolution.bands` relative to the reference fields, or P(k) where that is None."""
        n, d = data.geometry.pixels[0], data.geometry.dimensions
        if resolution.bands is None:
            return cls.whole(data)
        edges = band_edges(n, d, resolution.bands)
        channels = np.moveaxis(tapered(reference, data.geometry), 1, 0)
        means = tuple(mean_squared_modes(channel) for channel in channels)
        return cls(k=(edges,) * len(means), reference=means)

    @classmethod
    def whole(cls, data: Fields) -> PowerSpectrum:
        """P(k) in bins as wide as the fundamental wavenumber."""
        edges = np.arange(data.geometry.pixels[0] // 2 + 1) + 0.5
        C = len(data.channels)
        return cls(k=(edges,) * C, reference=(np.empty(0),) * C)

    def axes(self, data: Fields) -> tuple[Axis, ...]:
        """One curve a channel, at the mean wavenumber of the modes of each band."""
        n, d = data.geometry.pixels[0], data.geometry.dimensions
        relative = self.reference[0].size > 0
        unit = "relative to the reference" if relative else data.geometry.volume_unit
        return tuple(
            Axis(
                curve=self.title,
                channel=c,
                x=Bands.of(edges, n, d).mean(np.sqrt(squares(n, d))) * k_fundamental(data),
                x_label=f"k [{data.geometry.k_unit}]",
                y_label=f"P(k) [{unit}]",
                names=tuple(f"power, k = {band}" for band in bins(edges)),
                kinds=(Kind.POWER,) * (len(edges) - 1),
            )
            for c, edges in enumerate(self.k)
        )

    def measure(self, fields: Array, data: Fields) -> Array:
        """The power in the bands of each channel, (N, C, *space) -> (N, L)."""
        n, d = data.geometry.pixels[0], data.geometry.dimensions
        cell = ((data.geometry.box or 1.0) / n) ** d
        absolute = np.full(squares(n, d).shape, cell / n**d)
        scales = [inverse(one) if one.size else absolute for one in self.reference]
        bands = [Bands.of(edges, n, d) for edges in self.k]
        channels = list(zip(bands, scales, strict=True))
        return each_channel(tapered(fields, data.geometry), channels, _power)


def _power(field: Array, channel: tuple[Bands, Array]) -> Array:
    bands, scale = channel
    return bands.mean(squared_modes(field) * scale)


def k_fundamental(data: Fields) -> float:
    """The wavenumber of one cycle along a side, in the unit of `data.geometry`."""
    return 2 * np.pi / data.geometry.box if data.geometry.box else 1.0


def band_edges(n: int, d: int, count: int) -> Array:
    """At most `count` bands of equal width in sqrt(k), which hold all modes but k = 0; a band
    without a mode joins the one before."""
    k = np.sqrt(squares(n, d))
    edges = np.linspace(np.sqrt(0.9), np.sqrt(k.max() + 1e-6), count + 1) ** 2
    filled = np.histogram(k, edges)[0] > 0
    return np.asarray(edges[np.append(filled, True)])
