r"""Moments of square maps (Munshi et al. 2012, arXiv:1103.1876).

The mean, sigma_0 = sd(f) and sigma_1 = rms |grad f|; then three cubic (S) and four connected
quartic (K) ones of g = f - <f>, with D = |grad f|^2 and L the Laplacian,

    S0 = <g^3>,  S1 = <g^2 L>,  S2 = <D L>,
    K0 = <g^4>,  K1 = <g^3 L>,  K2 = <g D L>,  K3 = <D^2>    (less their Gaussian parts),

in units of the powers of sigma_0 and sigma_1 that make them pure numbers. Gradients are central
differences over pixels. Of a map that is not periodic all but the mean are of pixels so far within
that all differences stay on the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbipipe.interfaces import Array, Fields
from sbipipe.statistics import TINY, Axis, Kind, Resolution, _lenstools, each_channel, ratio

__all__ = ["Moments"]

LOW = ("mean", "sigma0", "sigma1")
HIGH = ("S0", "S1", "S2", "K0", "K1", "K2", "K3")


@dataclass(frozen=True, kw_only=True)
class Moments:
    """The mean, two scales, and seven reduced moments; there is nothing to fix beforehand."""

    title: ClassVar[str] = "moments"
    together: ClassVar[bool] = False

    @staticmethod
    def obstacle(data: Fields) -> str:
        """Fields have to be square maps."""
        return _lenstools.obstacle(data)

    @classmethod
    def of(cls, reference: Array, data: Fields, resolution: Resolution) -> Moments:
        """There is nothing to fix."""
        return cls()

    def axes(self, data: Fields) -> tuple[Axis, ...]:
        """Two curves a channel: of the first two orders, and of the higher ones."""
        return tuple(axis for c in range(len(data.channels)) for axis in (
            _axis(c, "mean and scales", LOW, (Kind.NUMBER, Kind.POWER, Kind.POWER)),
            _axis(c, "reduced moments", HIGH, (Kind.NUMBER,) * len(HIGH)),
        ))  # fmt: skip

    def measure(self, fields: Array, data: Fields) -> Array:
        """Ten moments of each channel, (N, C, n, n) -> (N, 10 C)."""
        return each_channel(fields, [data.geometry.periodic] * fields.shape[1], _moments)


def _axis(channel: int, curve: str, names: tuple[str, ...], kinds: tuple[Kind, ...]) -> Axis:
    return Axis(
        curve=curve,
        channel=channel,
        x=np.arange(float(len(names))),
        x_label="",
        y_label=curve,
        names=names,
        kinds=kinds,
        ticks=names,
    )


def _moments(field: Array, periodic: bool) -> Array:
    sigma0, sigma1, *higher = _lenstools.moments(field, periodic=periodic)
    units = [
        sigma0**3,
        sigma0 * sigma1**2,
        sigma1**4 / max(sigma0, TINY),
        sigma0**4,
        sigma0**2 * sigma1**2,
        sigma1**4,
        sigma1**4,
    ]
    mean = _lenstools.single(field).mean()
    return np.concatenate([[mean, sigma0, sigma1], ratio(np.array(higher), np.array(units))])
