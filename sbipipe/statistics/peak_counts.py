"""Peaks of square maps: pixels higher than their eight neighbours, in bins of height.

Inner edges lie at the quantiles of the heights in the reference fields; the outer bins hold every
peak that is lower or higher. Pixels on the border of a map that is not periodic have fewer
neighbours, and are no peaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from sbipipe.interfaces import Array, Fields
from sbipipe.statistics import (
    Axis,
    Kind,
    Resolution,
    _lenstools,
    bins,
    each_channel,
    middles,
    pixel_label,
)
from sbipipe.statistics._lenstools import HIGHEST

__all__ = ["PeakCounts"]


@dataclass(frozen=True, kw_only=True)
class PeakCounts:
    """The number of peaks in bins of height.

    Attributes:
        peaks: The edges of the bins; the lower one belongs to its bin.
    """

    peaks: tuple[Array, ...]

    title: ClassVar[str] = "peak counts"
    together: ClassVar[bool] = False

    @staticmethod
    def obstacle(data: Fields) -> str:
        """Fields have to be square maps."""
        return _lenstools.obstacle(data)

    @classmethod
    def of(cls, reference: Array, data: Fields, resolution: Resolution) -> PeakCounts:
        """At most `resolution.thresholds` bins; fewer where quantiles coincide."""
        periodic, count = data.geometry.periodic, resolution.thresholds
        channels = np.moveaxis(reference, 1, 0)
        return cls(peaks=tuple(_edges(maps, count, periodic=periodic) for maps in channels))

    def axes(self, data: Fields) -> tuple[Axis, ...]:
        """One curve a channel; the outer bins stand at their inner edge."""
        return tuple(
            Axis(
                curve=self.title,
                channel=c,
                x=_heights(edges),
                x_label=pixel_label(data, c),
                y_label="peaks",
                names=tuple(f"peaks, nu = {heights}" for heights in bins(edges, HIGHEST)),
                kinds=(Kind.COUNT,) * (len(edges) - 1),
            )
            for c, edges in enumerate(self.peaks)
        )

    def measure(self, fields: Array, data: Fields) -> Array:
        """Counts in the bins of each channel, (N, C, n, n) -> (N, L)."""
        of = partial(_lenstools.peak_counts, periodic=data.geometry.periodic)
        return each_channel(fields, self.peaks, of)


def _edges(maps: Array, count: int, *, periodic: bool) -> Array:
    peaks = [_lenstools.peak_heights(field, periodic=periodic) for field in maps]
    heights = np.concatenate(peaks)
    inner = np.empty(0)
    if len(heights):
        inner = np.unique(np.quantile(heights, np.linspace(0, 1, count + 1)[1:-1]))
    return np.concatenate([[-HIGHEST], inner, [HIGHEST]])


def _heights(edges: Array) -> Array:
    inner = edges[1:-1]
    return np.concatenate([inner[:1], middles(inner), inner[-1:]]) if len(inner) else np.zeros(1)
