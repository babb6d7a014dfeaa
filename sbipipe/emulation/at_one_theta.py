"""Many generated fields at one theta beside as many true ones, and true ones of other seeds beside
the same: tests of whole distributions, where `measured` looks at means.

Bins and thresholds come from the true fields. Left out is the bispectrum, whose measurement takes
longer than that of all others together.
"""

from __future__ import annotations

from dataclasses import dataclass

import joblib
import numpy as np

from sbipipe import plugins
from sbipipe.emulation.distributions import departures
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.sample import FEWEST, TrueSample
from sbipipe.emulation.sampled import Distributions, Sampled
from sbipipe.emulation.truth import Truth
from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Fields
from sbipipe.seeds import stream
from sbipipe.statistics import Axis, Resolution, Statistic

RESOLUTION = Resolution(bands=None, thresholds=19)
"""Every Fourier mode's power, and the 19 thresholds of Mustafa et al. 2019."""

TESTED = ("power_spectrum", "minkowski")
"""Statistics each of whose components is tested."""

DEAR = ("bispectrum",)
"""Statistics that are left out."""

REFERENCE = 200
"""True fields, at most, that fix bins and thresholds."""

CHUNK = 64
"""Fields that a worker measures at once."""


@dataclass(frozen=True, kw_only=True)
class Trio:
    """One statistic of every field at one theta, each array with shape (G, e, L).

    Attributes:
        title: The name that people read.
        axes: Where each curve is measured.
        true: The values of the true fields.
        generated: The values of the generated fields, in parts as large as a simulation.
        control: The values of the true fields of other seeds.
    """

    title: str
    axes: tuple[Axis, ...]
    true: Array
    generated: Array
    control: Array


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
        distributions={
            found[name].title: _distributions(found[name], seed) for name in TESTED if name in found
        },
    )


def _why(truth: Truth) -> str:
    if truth.control is not None:
        return "None were asked for: judge.fields is 0"
    return (
        f"They take true fields of {2 * FEWEST} simulations at one theta at least; simulations of "
        f"{truth.simulator} were made elsewhere, so there are {truth.true.shape[1]} fields of 1"
    )


def measured(sample: TrueSample, generated: Array, data: Fields) -> dict[str, Trio]:
    """Every statistic that these fields have and that is not dear, by name.

    Args:
        generated: Fields with shape (G, e, C, *space), as many as true ones.
    """
    kinds = {name: plugins.statistic(name) for name in plugins.statistics() if name not in DEAR}
    reference = sample.true.reshape(-1, *data.shape)
    some = reference[evenly(len(reference), REFERENCE)]
    found = {}
    for name, kind in kinds.items():
        if kind.obstacle(data):
            continue
        ruler = kind.of(some, data, RESOLUTION)
        true, drawn, control = (
            measure(ruler, one, data) for one in (sample.true, generated, sample.control)
        )
        found[name] = Trio(
            title=kind.title, axes=ruler.axes(data), true=true, generated=drawn, control=control
        )
    return found


def measure(ruler: Statistic, fields: Array, data: Fields) -> Array:
    """The statistic of fields (G, e, C, *space), shared among workers, (G, e, L)."""
    rows = fields.reshape(-1, *data.shape)
    chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    parts = joblib.Parallel()(joblib.delayed(ruler.measure)(chunk, data) for chunk in chunks)
    return np.concatenate(parts).reshape(*fields.shape[:2], -1)


def _distributions(one: Trio, seed: int) -> Distributions:
    """The same divisions for the generated fields and for the control."""
    first = one.axes[0]
    rng = (stream(seed, "exchanges") for _ in range(2))
    return Distributions(
        x=first.x,
        x_label=first.x_label,
        generated=departures(one.generated, one.true, next(rng)),
        control=departures(one.control, one.true, next(rng)),
    )


__all__ = ["RESOLUTION", "TESTED", "Trio", "at_one_theta", "measure", "measured"]
