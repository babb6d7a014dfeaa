"""Many generated fields at one theta beside as many true ones, and true ones of other seeds beside
the same: tests of whole distributions, where `measured` looks at means.

Bins and thresholds come from the true fields. Left out is the bispectrum, whose measurement takes
longer than that of all others together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import joblib
import numpy as np

from sbipipe import plugins, statistics
from sbipipe.emulation.birthday import birthdays
from sbipipe.emulation.classifier import classified
from sbipipe.emulation.distributions import departures
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.mass import mass
from sbipipe.emulation.sample import FEWEST, TrueSample
from sbipipe.emulation.sampled import Classifiers, Distributions, Masses, Sampled
from sbipipe.emulation.truth import Truth
from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Fields
from sbipipe.physics.fields import at_most
from sbipipe.protocols import Summariser
from sbipipe.seeds import stream
from sbipipe.statistics import Axis, Resolution, Statistic

RESOLUTION = Resolution(bands=None, thresholds=19)
"""Every Fourier mode's power, and the 19 thresholds of Mustafa et al. 2019."""

TESTED = ("power_spectrum", "minkowski", "cross_spectra")
"""Statistics each of whose components is tested."""

DEAR = ("bispectrum",)
"""Statistics that are left out."""

REFERENCE = 200
"""True fields, at most, that fix bins and thresholds."""

SIDE = 32
"""Pixels along an axis of a field whose pixels are a point of PQMass, at most."""

CHUNK = 64
"""Fields that are measured at once."""

ALONE = 10_000_000
"""Pixels, below which workers take longer to start than the fields to measure."""


class Trio(NamedTuple):
    """What is measured of every field at one theta, each with shape (G, e, L).

    Attributes:
        true: Of the true fields.
        generated: Of the generated fields, in parts as large as a simulation.
        control: Of the true fields of other seeds.
    """

    true: Array
    generated: Array
    control: Array


@dataclass(frozen=True, kw_only=True)
class Found:
    """One statistic of every field at one theta.

    Attributes:
        title: The name that people read.
        axes: Where each curve is measured.
        values: Its values.
    """

    title: str
    axes: tuple[Axis, ...]
    values: Trio


def at_one_theta(truth: Truth, drawn: Drawn, seed: int) -> Sampled | str:
    """What is found, or why nothing is, in one sentence.

    Args:
        seed: The root of the random streams.
    """
    if truth.sample is None or drawn.sample is None:
        return _why(truth)
    found = measured(truth.sample, drawn.sample, truth.data)
    return Sampled(
        theta=truth.sample.theta,
        fields=truth.sample.fields,
        simulations=len(truth.sample.true),
        summary=tuple(one.title for one in found.values()),
        distributions={
            found[name].title: _distributions(found[name], seed) for name in TESTED if name in found
        },
        masses={
            "pixels": _masses(pixels(truth.sample, drawn.sample, truth.data), seed),
            "summary": _masses(summary(found), seed),
        },
        classifiers=_classifiers(summary(found), seed),
        birthdays=birthdays(drawn.features, drawn.read, truth.sample, truth.data),
    )


def _why(truth: Truth) -> str:
    if truth.control is not None:
        return "None were asked for: judge.fields is 0"
    return (
        f"They take true fields of {2 * FEWEST} simulations at one theta at least; simulations of "
        f"{truth.simulator} were made elsewhere, so there are {truth.true.shape[1]} fields of 1"
    )


def measured(sample: TrueSample, generated: Array, data: Fields) -> dict[str, Found]:
    """Every statistic that these fields have and that is not dear, by name.

    Args:
        generated: Fields with shape (G, e, C, *space), as many as true ones.
    """
    reference = sample.true.reshape(-1, *data.shape)
    some = reference[evenly(len(reference), REFERENCE)]
    kinds = plugins.statistics_of(data).items()
    rulers = {
        name: kind.of(some, data, RESOLUTION)
        for name, kind in kinds
        if name not in DEAR and not kind.obstacle(data)
    }
    fields = np.stack([sample.true, generated, sample.control])
    rows = fields.reshape(-1, *data.shape)
    chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    task = joblib.delayed(_measure)
    share = joblib.Parallel(n_jobs=1 if rows.size < ALONE else None)
    parts = share(task(chunk, list(rulers.values()), data) for chunk in chunks)
    found = {}
    for name, values in zip(rulers, zip(*parts, strict=True), strict=True):
        whole = np.concatenate(values).reshape(*fields.shape[:3], -1)
        axes = rulers[name].axes(data)
        found[name] = Found(title=rulers[name].title, axes=axes, values=Trio(*whole))
    return found


def _measure(fields: Array, rulers: Sequence[Statistic], data: Fields) -> list[Array]:
    """Each statistic of fields (n, C, *space), (n, L)."""
    return [ruler.measure(fields, data) for ruler in rulers]


def summary(found: Mapping[str, Found]) -> Trio:
    """All statistics together, in units of their scatter over true fields."""
    parts = [
        [statistics.stabilised(values, one.axes) for values in one.values] for one in found.values()
    ]
    return _in_scatter(Trio(*(np.concatenate(one, -1) for one in zip(*parts, strict=True))))


def _in_scatter(found: Trio) -> Trio:
    """Each component that varies over true fields in units of its scatter there."""
    middle, scatter = found.true.mean((0, 1)), found.true.std((0, 1))
    vary = scatter > 0
    return Trio(*((x - middle)[..., vary] / scatter[vary] for x in found))


def pixels(sample: TrueSample, generated: Array, data: Fields) -> Trio:
    """Pixels of all channels, each in units of its scatter, on a grid of at most `SIDE` pixels
    along each axis, where there is such a grid."""
    scatter = sample.true.std((0, 1, *range(3, sample.true.ndim)))
    units = scatter.reshape(-1, *[1] * data.geometry.dimensions)
    G, each = sample.true.shape[:2]
    fields = sample.true, generated, sample.control
    small = (at_most((one / units).reshape(-1, *data.shape), SIDE) for one in fields)
    return Trio(*(one.reshape(G, each, -1) for one in small))


def _distributions(one: Found, seed: int) -> Distributions:
    """The same divisions for the generated fields and for the control."""
    first, (true, generated, control) = one.axes[0], one.values
    return Distributions(
        x=first.x,
        x_label=first.x_label,
        generated=departures(generated, true, stream(seed, "judge", "exchanges")),
        control=departures(control, true, stream(seed, "judge", "exchanges")),
    )


def _masses(points: Trio, seed: int) -> Masses:
    true, generated, control = points
    return Masses(generated=mass(generated, true, seed), control=mass(control, true, seed))


def masses_in(summarise: Summariser, sample: TrueSample, generated: Array, seed: int) -> Masses:
    """PQMass in the components of a summary, each in units of its scatter over true fields.

    Args:
        generated: Fields with shape (G, e, C, *space), as many as true ones.
        seed: The root of the random streams.
    """
    space = sample.true.shape[2:]
    found = (
        np.asarray(summarise(one.reshape(-1, *space)), np.float64).reshape(*one.shape[:2], -1)
        for one in (sample.true, generated, sample.control)
    )
    return _masses(_in_scatter(Trio(*found)), seed)


def _classifiers(vectors: Trio, seed: int) -> Classifiers:
    true, generated, control = vectors
    return Classifiers(
        generated=classified(generated, true, seed), control=classified(control, true, seed)
    )


__all__ = ["TESTED", "Found", "Trio", "at_one_theta", "masses_in", "measured", "pixels", "summary"]
