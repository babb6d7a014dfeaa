r"""Cross-spectra of every pair of channels, and their coherence, on grids of any dimension.

With F and G numpy's transforms of two channels, tapered where they are not periodic
(`physics.taper`), on cells of volume a,

    P_fg(k) = <Re F_k G_k^*> a / n^d,        r(k) = P_fg / sqrt(P_ff P_gg),

in the bins of the power spectrum (`power_spectrum`). The coherence r is 1 where one channel follows
from the other by a filter, and 0 where they have nothing to do with each other. Where bands are
few, each mode is divided by the roots of the reference spectra of both channels first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbipipe.interfaces import Array, Fields
from sbipipe.physics.taper import tapered
from sbipipe.statistics import Axis, Kind, Resolution, bins, ratio
from sbipipe.statistics._bands import Bands, inverse, modes, obstacle, squares
from sbipipe.statistics.power_spectrum import PowerSpectrum

__all__ = ["CrossSpectra"]


@dataclass(frozen=True, kw_only=True)
class CrossSpectra:
    """The cross-power and the coherence of two channels in bands of wavenumber.

    Attributes:
        k: The edges of the bands, in cycles along a side; the upper one belongs to its band.
        reference: The mean |F_k|^2 on the stored modes of the grid; empty where the cross-power is
            P_fg itself.
    """

    k: tuple[Array, ...]
    reference: tuple[Array, ...]

    title: ClassVar[str] = "cross-spectra and coherence"
    together: ClassVar[bool] = True

    @staticmethod
    def obstacle(data: Fields) -> str:
        """Fields have to have two channels at least, and a power spectrum."""
        if len(data.channels) < 2:
            return "given 1 channel; allowed: at least 2"
        return obstacle(data)

    @classmethod
    def of(cls, reference: Array, data: Fields, resolution: Resolution) -> CrossSpectra:
        """The bands of the power spectrum."""
        power = PowerSpectrum.of(reference, data, resolution)
        return cls(k=power.k, reference=power.reference)

    def axes(self, data: Fields) -> tuple[Axis, ...]:
        """Two curves a pair of channels, at the mean wavenumber of the modes of each band."""
        power = PowerSpectrum(k=self.k, reference=self.reference).axes(data)
        return tuple(axis for a, b in pairs(data) for axis in _axes(power[a], self.k[a], data, b))

    def measure(self, fields: Array, data: Fields) -> Array:
        """Cross-power, then coherence of each pair of channels, (N, C, *space) -> (N, L)."""
        n, d = data.geometry.pixels[0], data.geometry.dimensions
        cell = ((data.geometry.box or 1.0) / n) ** d
        whole = np.full(squares(n, d).shape, cell / n**d)
        scales = [np.sqrt(inverse(one) if one.size else whole) for one in self.reference]
        bands = Bands.of(self.k[0], n, d)
        rows = tapered(fields, data.geometry)
        return np.stack([_of_field(row, scales, bands, data) for row in rows])


def pairs(data: Fields) -> Iterator[tuple[int, int]]:
    """Every pair of channels, the first below the second."""
    return itertools.combinations(range(len(data.channels)), 2)


def _of_field(field: Array, scales: list[Array], bands: Bands, data: Fields) -> Array:
    F = [modes(channel) * scale for channel, scale in zip(field, scales, strict=True)]
    power = [bands.mean(np.abs(one) ** 2) for one in F]
    found = []
    for a, b in pairs(data):
        cross = bands.mean((F[a] * F[b].conj()).real)
        found += [cross, ratio(cross, np.sqrt(power[a] * power[b]))]
    return np.concatenate(found)


def _axes(power: Axis, edges: Array, data: Fields, other: int) -> Iterator[Axis]:
    """Of the channel whose power has this axis, and another."""
    both = f"{data.channels[power.channel]} and {data.channels[other]}"
    for curve, y_label in (
        ("cross-power", power.y_label.replace("P(k)", f"P(k) with {data.channels[other]}")),
        ("coherence", f"coherence with {data.channels[other]}"),
    ):
        yield Axis(
            curve=f"{curve} of {both}",
            channel=power.channel,
            x=power.x,
            x_label=power.x_label,
            y_label=y_label,
            names=tuple(f"{curve} with {data.channels[other]}, k = {band}" for band in bins(edges)),
            kinds=(Kind.NUMBER,) * len(power.x),
        )
