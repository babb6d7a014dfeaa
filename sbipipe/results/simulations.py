"""The sets of simulations and of vectors, and what one sees of them.

Example fields, spectra and components are those of `valid`, one row of each simulation: the page
spends none of `test` beyond what the diagnostics have already looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sbipipe import paths, plugins, storage
from sbipipe.config import Params
from sbipipe.interfaces import Array, Dataset, Fields, Vectors
from sbipipe.physics import fields
from sbipipe.physics.taper import tapered
from sbipipe.protocols import Prior
from sbipipe.records import load
from sbipipe.seeds import stream
from sbipipe.sets.failures import Failures
from sbipipe.sets.trivial import Trivial, known
from sbipipe.statistics.power_spectrum import PowerSpectrum

SPECTRA = 120
"""Number of fields whose spectra are shown."""

GRID = 3
"""Number of example fields along each of the first two parameters."""

COMPONENTS = 6
"""Number of components of a vector that are shown."""


@dataclass(frozen=True, kw_only=True)
class ExampleFields:
    """Fields over the prior, with shape (rows, columns, *space), space having one dimension or two.

    Attributes:
        simulator: The entry of `simulate:`.
        parameters: The names of the D parameters.
        fields: The fields.
        theta: Their parameters, with shape (rows, columns, D).
        quantity: The quantity that a pixel holds.
        shown: The words for what was done to show them, where anything was.
    """

    simulator: str
    parameters: tuple[str, ...]
    fields: Array
    theta: Array
    quantity: str
    shown: str


@dataclass(frozen=True, kw_only=True)
class Spectra:
    """Power spectra of single fields.

    Attributes:
        simulator: The entry of `simulate:`.
        parameters: The names of the D parameters.
        k: The wavenumbers, with shape (K,).
        power: The spectra, with shape (S, K).
        theta: The parameters of the fields, with shape (S, D).
        k_unit, power_unit: The units of both.
    """

    simulator: str
    parameters: tuple[str, ...]
    k: Array
    power: Array
    theta: Array
    k_unit: str
    power_unit: str


@dataclass(frozen=True, kw_only=True)
class Components:
    """The first components of the vectors of a set.

    Attributes:
        set: The entry of `simulate:` or `summarise:`.
        parameters: The names of the D parameters.
        names: The names of the components that are shown.
        x: The components, with shape (S, L).
        theta: The parameters of the simulations, with shape (S, D).
        total: The number of components, those that are not shown included.
    """

    set: str
    parameters: tuple[str, ...]
    names: tuple[str, ...]
    x: Array
    theta: Array
    total: int


@dataclass(frozen=True, kw_only=True)
class Imitated:
    """A set whose rows to learn from another forward model has given.

    Attributes:
        name: The entry of `imitate:`.
        by: The emulator or simulator that gave them.
        train, valid: The numbers of simulations that it gave.
    """

    name: str
    by: str
    train: int
    valid: int


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A set of simulations, and what one sees of them.

    Attributes:
        name: The entry of `simulate:`.
        kind: The kind of the simulator.
        about: The content of `set.json`.
        example_fields: Fields over the prior, where these are fields.
        spectra: The spectra of fields, where they have any.
        trivial: What can be known of the parameters without looking.
        imitated: Sets whose rows to learn from are imitations of these.
    """

    name: str
    kind: str
    about: Mapping[str, Any]
    example_fields: ExampleFields | None
    spectra: Spectra | None
    trivial: Trivial
    imitated: tuple[Imitated, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is worth a look in simulations made elsewhere."""
        return tuple(self.about.get("remarks", ()))

    @property
    def failures(self) -> Failures:
        """The simulations that failed, and whether that depends on their parameters."""
        return load(Failures, self.about["failures"], paths.SETS / self.name / "set.json")

    @property
    def reasons(self) -> Mapping[str, int]:
        """Why simulations failed, and how many of them."""
        reasons = list(self.about.get("reasons", {}).values())
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}


def suite(params: Params, name: str) -> Suite:
    """A set of simulations; one of vectors has neither example fields nor spectra."""
    found = storage.open_set(paths.SETS / name)
    prior = plugins.prior_of(params, name)
    rows = _rows(params, name) if isinstance(found.data, Fields) else None
    return Suite(
        name=name,
        kind=params.simulate[name].kind,
        about=found.about,
        example_fields=_example_fields(name, rows, prior) if rows else None,
        spectra=_spectra(name, rows, prior) if rows else None,
        trivial=known(found.split("train"), prior.names, stream(params.seed, "trivial", name)),
        imitated=tuple(_imitated(one) for one, e in params.imitate.items() if e.of == name),
    )


def _imitated(name: str) -> Imitated:
    about = storage.open_set(paths.SETS / name).about
    counts = about["simulations"]
    return Imitated(name=name, by=about["by"], train=counts["train"], valid=counts["valid"])


def _rows(params: Params, name: str) -> Dataset:
    """One row of every simulation in `valid`."""
    rows = storage.open_set(paths.SETS / name).split("valid")
    return rows.one_per_group(stream(params.seed, "report", params.simulator_of(name)))


def _fields(rows: Dataset) -> Fields:
    """What rows known to be fields are."""
    assert isinstance(rows.data, Fields)
    return rows.data


def _example_fields(name: str, rows: Dataset, prior: Prior) -> ExampleFields:
    """Those nearest to a grid in the quantiles of the first two parameters."""
    ticks = (np.arange(GRID) + 0.5) / GRID
    q = prior.to_unit(rows.theta)
    if len(prior.names) == 1:
        targets = ticks[None, :, None]
    else:
        targets = np.stack(np.meshgrid(ticks, ticks[::-1]), -1)
    distance = ((targets[..., None, :] - q[:, : targets.shape[-1]]) ** 2).sum(-1)
    nearest = distance.argmin(-1)
    images, shown = _images(rows.x[nearest])
    return ExampleFields(
        simulator=name,
        parameters=prior.names,
        fields=images,
        theta=rows.theta[nearest],
        quantity=_fields(rows).quantity,
        shown=shown,
    )


def _images(x: Array) -> tuple[Array, str]:
    """Fields (rows, columns, C, *space) as images, and what was done to them, in words."""
    channels, space = x.shape[2], x.shape[3:]
    words = [f"the first of {channels} channels"] if channels > 1 else []
    images = x[:, :, 0]
    if len(space) == 3:
        words.append("the mean along one axis of the box")
        images = images.mean(-1)
    return images, ", ".join(words)


def _spectra(name: str, rows: Dataset, prior: Prior) -> Spectra | None:
    """Spectra of the first channel, with k in h/Mpc where the size of the box is known.

    None where the statistic cannot be measured on these fields.
    """
    if PowerSpectrum.obstacle(_fields(rows)):
        return None
    geometry = _fields(rows).geometry
    box, dimensions = geometry.box, geometry.dimensions
    shown = tapered(rows.x[:SPECTRA, 0], geometry)
    found = fields.power_spectrum(shown, box or 1.0, dimensions=dimensions)
    return Spectra(
        simulator=name,
        parameters=prior.names,
        k=found.k if box else found.k / (2 * np.pi),
        power=found.power,
        theta=rows.theta[:SPECTRA],
        k_unit=geometry.k_unit,
        power_unit=geometry.volume_unit,
    )


def components(params: Params) -> Iterator[Components]:
    """Of every set of vectors, but for those that are another one over again."""
    again = {name for name, entry in params.summarise.items() if entry.kind == "identity"}
    for name in (*params.simulate, *params.summarise):
        if name in again:
            continue
        found = storage.open_set(paths.SETS / name)
        if not isinstance(found.data, Vectors):
            continue
        rows = _rows(params, name)
        yield Components(
            set=name,
            parameters=tuple(found.about["parameters"]),
            names=found.data.components[:COMPONENTS],
            x=rows.x[:, :COMPONENTS],
            theta=rows.theta,
            total=len(found.data.components),
        )
