"""The density of pixel values: the share of the pixels in each bin, over the bin's width.

Bins of equal width hold all but one in a thousand of the pixels of the reference fields. Nothing is
assumed of the grid, so fields of any shape have it, whether periodic or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbipipe.interfaces import Array, Fields
from sbipipe.records import InputError
from sbipipe.statistics import Axis, Kind, Resolution, bins, each_channel, middles, pixel_label

__all__ = ["PixelDensity"]

BINS = 32
"""Bins of each channel."""

OUTSIDE = 0.0005
"""The share of the reference pixels beyond either end."""


@dataclass(frozen=True, kw_only=True)
class PixelDensity:
    """The density of pixel values.

    Attributes:
        pixels: The edges of the bins.
    """

    pixels: tuple[Array, ...]

    title: ClassVar[str] = "pixel density"
    together: ClassVar[bool] = False

    @staticmethod
    def obstacle(data: Fields) -> str:
        """There is none."""
        return ""

    @classmethod
    def of(cls, reference: Array, data: Fields, resolution: Resolution) -> PixelDensity:
        """Bins that span the reference pixels; raises InputError where those have one value."""
        return cls(pixels=tuple(_edges(channel) for channel in np.moveaxis(reference, 1, 0)))

    def axes(self, data: Fields) -> tuple[Axis, ...]:
        """One curve a channel, at the middle of each bin."""
        return tuple(
            Axis(
                curve=self.title,
                channel=c,
                x=middles(edges),
                x_label=pixel_label(data, c),
                y_label="density",
                names=tuple(f"density, pixels = {values}" for values in bins(edges)),
                kinds=(Kind.NUMBER,) * (len(edges) - 1),
            )
            for c, edges in enumerate(self.pixels)
        )

    def measure(self, fields: Array, data: Fields) -> Array:
        """The density in the bins of each channel, (N, C, *space) -> (N, L)."""
        return each_channel(fields, self.pixels, _density)


def _edges(fields: Array) -> Array:
    low, high = np.quantile(fields, [OUTSIDE, 1 - OUTSIDE])
    if low == high:
        raise InputError(f"fields: given {low:g} nearly everywhere; allowed: fields that vary")
    return np.linspace(low, high, BINS + 1)


def _density(field: Array, edges: Array) -> Array:
    counts, _ = np.histogram(field, edges)
    return np.asarray(counts / field.size / np.diff(edges))
