r"""Minkowski functionals of square maps.

Of the excursion set {f >= nu} per unit area (pixels), from the gradient and the Hessian by central
differences (Lim & Simon 2012; Petri et al. 2013, arXiv:1309.4460):

    V0 = <[f >= nu]>,   V1 = 1/4 <delta(f - nu) |grad f|>,
    V2 = 1/(2 pi) <delta(f - nu) (2 fx fy fxy - fx^2 fyy - fy^2 fxx) / |grad f|^2>.

The levels nu lie at the quantiles of the pixels of the reference fields. V0 is measured in the
middle of their bins, V1 and V2 are averaged over them. Of a map that is not periodic
only the area is used that lies so far within that all differences stay on the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from sbipipe.interfaces import Array, Fields
from sbipipe.records import InputError
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

__all__ = ["MinkowskiFunctionals"]

MEANING = {"V0": "area", "V1": "boundary", "V2": "genus"}

LOWEST, HIGHEST = 0.02, 0.98
"""Quantiles of the reference pixels, between which the levels lie."""


@dataclass(frozen=True, kw_only=True)
class MinkowskiFunctionals:
    """Area, boundary and genus of excursion sets.

    Attributes:
        levels: The edges of the bins of nu.
    """

    levels: tuple[Array, ...]

    title: ClassVar[str] = "Minkowski functionals"
    together: ClassVar[bool] = False

    @staticmethod
    def obstacle(data: Fields) -> str:
        """Fields have to be square maps."""
        return _lenstools.obstacle(data)

    @classmethod
    def of(cls, reference: Array, data: Fields, resolution: Resolution) -> MinkowskiFunctionals:
        """At most `resolution.thresholds` bins, fewer where quantiles coincide; raises InputError
        where nearly all pixels have one value."""
        channels = np.moveaxis(reference, 1, 0)
        return cls(levels=tuple(_levels(maps, resolution.thresholds) for maps in channels))

    def axes(self, data: Fields) -> tuple[Axis, ...]:
        """Three curves a channel, at the middle of each bin."""
        return tuple(
            Axis(
                curve=curve,
                channel=c,
                x=middles(edges),
                x_label=pixel_label(data, c),
                y_label=f"{curve}, {meaning}",
                names=tuple(f"{curve}, nu = {level}" for level in bins(edges)),
                kinds=(Kind.NUMBER,) * (len(edges) - 1),
            )
            for c, edges in enumerate(self.levels)
            for curve, meaning in MEANING.items()
        )

    def measure(self, fields: Array, data: Fields) -> Array:
        """V0, V1 and V2 of each channel, (N, C, n, n) -> (N, L)."""
        of = partial(_lenstools.minkowski_functionals, periodic=data.geometry.periodic)
        return each_channel(fields, self.levels, of)


def _levels(maps: Array, count: int) -> Array:
    pixels = maps.astype(np.float64).ravel()
    levels = np.unique(np.quantile(pixels, np.linspace(LOWEST, HIGHEST, count + 1)))
    if len(levels) < 2:
        raise InputError(f"fields: given {levels[0]:g} nearly everywhere; allowed: maps that vary")
    return levels
