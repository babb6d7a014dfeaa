"""Statistics of fields: what a summary is made of, and what an emulator is judged by.

A statistic is a file of this folder: `power_spectrum.py` is the statistic `power_spectrum`, and the
class in its `__all__` obeys `Statistic`. Bins and thresholds are fixed once, from reference fields,
so that they mean the same for every field measured afterwards. Values are natural: powers are
powers and counts are counts. Files whose name begins with an underscore hold what several share.

`stabilised` is the one place where values are transformed, and a summary the one place that asks
for it. It takes the logarithm of powers and variances, whose scatter grows with them, and
2 sqrt(n + 3/8) of counts n, which makes the scatter of Poisson counts nearly 1 (Anscombe 1948).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, ClassVar, Protocol, Self, cast

import numpy as np

from sbipipe.interfaces import Array, Fields

TINY = 1e-30
"""Powers and variances below it count as it: the logarithm of a constant field's is finite."""


class Kind(Enum):
    """What a value is."""

    POWER = "a power, a variance, or the root of one"
    COUNT = "how often something was found"
    NUMBER = "any other number"


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """How finely statistics are measured.

    Attributes:
        bands: The number of bands of wavenumber of the power spectrum, and twice that of the
            bispectrum. None asks for the power in bins as wide as the fundamental wavenumber.
        thresholds: The number of bins of peak height and of the level of excursion sets.
    """

    bands: int | None
    thresholds: int


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Where one curve of a statistic is measured in one channel.

    Attributes:
        curve: The curve's name.
        channel: The number of the channel, or of the first of several.
        x: Where it is measured, with shape (L,).
        x_label: What x is, with its unit.
        y_label: What is measured, with its unit where it has one.
        names: The name of each of the L values.
        kinds: What each of the L values is.
        ticks: The words to show in the place of x where x only counts; else none.
    """

    curve: str
    channel: int
    x: Array
    x_label: str
    y_label: str
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    ticks: tuple[str, ...] = ()


class Statistic(Protocol):
    """A statistic with its bins and thresholds, for fields with C channels.

    It is a frozen dataclass, each of whose fields is a tuple with an array for every channel.
    """

    title: ClassVar[str]
    """The name that people read."""

    together: ClassVar[bool]
    """Whether it is of several channels together, so that one channel alone has nothing of it."""

    @staticmethod
    def obstacle(data: Fields) -> str:
        """Why these fields cannot be measured: what is given, and what is allowed; else empty."""

    @classmethod
    def of(cls, reference: Array, data: Fields, resolution: Resolution) -> Self:
        """The statistic with bins and thresholds for fields like these, (N, C, *space).

        Raises:
            InputError: For fields that do not vary.
        """

    def axes(self, data: Fields) -> tuple[Axis, ...]:
        """Where each curve is measured, channel after channel."""

    def measure(self, fields: Array, data: Fields) -> Array:
        """The values of every curve, one after the other: (N, C, *space) -> (N, L)."""


def each_channel(
    fields: Array, channels: Sequence[Any], measure: Callable[[Array, Any], Array]
) -> Array:
    """`measure(field, channel)` of every field in every channel: (N, C, *space) -> (N, L).

    Args:
        channels: What belongs to each of the C channels.
    """
    rows = [
        np.concatenate([measure(*pair) for pair in zip(row, channels, strict=True)])
        for row in fields
    ]
    return np.stack(rows)


def curves(values: Array, axes: Sequence[Axis]) -> list[Array]:
    """Values (N, L) taken apart, with shape (N, len(axis.x)) for every axis."""
    return np.split(values, np.cumsum([len(axis.x) for axis in axes])[:-1], axis=1)


def arrays(statistic: Statistic) -> dict[str, Array]:
    """Bins and thresholds, by channel and name ("0/levels")."""
    return {
        f"{c}/{field.name}": array
        for field in fields(cast(Any, statistic))
        for c, array in enumerate(getattr(statistic, field.name))
    }


def restored(cls: type[Statistic], kept: Mapping[str, Array], channels: int) -> Statistic:
    """The statistic whose `arrays` are among these."""
    return cls(**{
        field.name: tuple(kept[f"{c}/{field.name}"] for c in range(channels))
        for field in fields(cast(Any, cls))
    })  # fmt: skip


def stabilised(values: Array, axes: Sequence[Axis]) -> Array:
    """Values (..., L) in units in which their scatter hardly depends on them, and all finite."""
    kinds = [kind for axis in axes for kind in axis.kinds]
    power, count = (np.array([kind is one for kind in kinds]) for one in (Kind.POWER, Kind.COUNT))
    found = np.array(values, np.float64)
    found[..., power] = np.log(np.maximum(found[..., power], TINY))
    found[..., count] = 2 * np.sqrt(found[..., count] + 3 / 8)
    return found


def stabilised_names(axes: Sequence[Axis]) -> tuple[str, ...]:
    """The name of every component of `stabilised`."""
    pairs = (pair for axis in axes for pair in zip(axis.names, axis.kinds, strict=True))
    return tuple(f"log {name}" if kind is Kind.POWER else name for name, kind in pairs)


def bins(edges: Array, unbounded: float = np.inf) -> list[str]:
    """The name of every bin; an edge at plus or minus `unbounded` is not shown."""
    shown = ["..." if abs(edge) == unbounded else f"{edge:.3g}" for edge in edges]
    return [f"{low} to {high}" for low, high in itertools.pairwise(shown)]


def pixel_label(data: Fields, channel: int) -> str:
    """What a pixel of a channel holds."""
    return data.quantity if channel == 0 else data.channels[channel]


def middles(edges: Array) -> Array:
    """The middle of every bin."""
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def ratio(a: Array, b: Array) -> Array:
    """a / b, and zero where b vanishes (a field without power has no shape)."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > TINY)
