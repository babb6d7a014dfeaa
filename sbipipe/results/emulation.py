"""Emulators beside the truth: what is said of their fields, and some of the fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sbipipe import paths, storage
from sbipipe.config import Params
from sbipipe.emulation import emulated, truth
from sbipipe.emulation.judgement import Against, Judgement, Nearness
from sbipipe.emulation.sampled import Masses, Pairs
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import Array
from sbipipe.records import InputError, load
from sbipipe.results import sampled
from sbipipe.results.headline import Headline

MAPS = 2
"""Fields of each sort that are shown at one theta."""


POWER = "power spectrum"

LEVEL = 0.01
"""The probability with which an emulator of new fields is said to remember, at most."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Images of the first channel of fields at one theta, with shape (MAPS, *space), space having
    one dimension or two."""

    true: Array
    generated: Array


@dataclass(frozen=True, kw_only=True)
class Emulation:
    """An emulator beside the truth.

    Attributes:
        name: The emulator's name.
        judgement: What is said of it.
        maps: Fields at the theta of each of the judgement's examples.
        noise: What noise leaves of the errors of its surfaces, by split (stage `score`); nothing
            where it scores none, or scores without noise.
        spectrum: How its predicted spectrum and the bars of that do on held-out simulations, by
            name; nothing where it predicts none.
        masses: PQMass of many fields at one theta in the study's own summaries, by name.
    """

    name: str
    judgement: Judgement
    maps: tuple[Maps, ...]
    noise: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    spectrum: Mapping[str, float] = field(default_factory=dict)
    masses: Mapping[str, Masses] = field(default_factory=dict)

    @property
    def nearness(self) -> dict[str, Nearness]:
        """How near its fields come to others, by what they are set beside."""
        found = self.judgement.remembered
        near = {
            "to the nearest training field, in pixels": found.pixels,
            "to the nearest training field, in power": found.power,
        }
        return (
            near if found.twins is None else near | {"of the nearest two, in pixels": found.twins}
        )

    @property
    def remembers(self) -> str:
        """In what its fields come too near to be new, in words; empty where in nothing."""
        found, birthdays = self.nearness, self.birthdays
        level = LEVEL / (len(found) + len(birthdays))
        near = [f"{what} (p = {one.p:.2g})" for what, one in found.items() if one.p <= level]
        return "; ".join(near + [
            f"{one.near:,} pairs of {one.fields:,} fields are alike in {what}, as if there were "
            f"{one.different:,.0f} different ones"
            for what, one in birthdays.items() if one.p <= level
        ])  # fmt: skip

    @property
    def birthdays(self) -> dict[str, Pairs]:
        """The pairs that are alike among many of its fields at one theta, by feature."""
        found = self.judgement.at_one_theta
        if isinstance(found, str):
            return {}
        return {what: one.generated for what, one in found.birthdays.items()}

    @property
    def headlines(self) -> tuple[Headline, ...]:
        """The numbers that a person asks for first."""
        return tuple(headlines(self.judgement))

    @property
    def sampled(self) -> tuple[Headline, ...]:
        """What is found of many fields at one theta; empty where there are none."""
        found = self.judgement.at_one_theta
        if isinstance(found, str):
            return ()
        return tuple(sampled.lines(found, self.judgement.seen, self.masses))


def read(
    params: Params, masses: Mapping[str, Mapping[str, Masses]]
) -> tuple[tuple[Emulation, ...], Mapping[str, str]]:
    """The emulators of a run, and those that could not be checked with the reason.

    Args:
        masses: PQMass in the study's own summaries, by emulator.

    Raises:
        InputError: If what is said of one is missing.
    """
    found = judgements(params)
    unchecked = {name: str(one["unchecked"]) for name, one in found.items() if "unchecked" in one}
    checked = (name for name in found if name not in unchecked)
    return tuple(_read(params, name, found[name], masses[name]) for name in checked), unchecked


def judgements(params: Params) -> dict[str, Any]:
    """What is said of every emulator, as plain values: the content of `reports/emulation.json`."""
    return {name: storage.load_json(paths.judgement_path(name)) for name in params.emulate}


def _read(params: Params, name: str, plain: Any, masses: Mapping[str, Masses]) -> Emulation:
    judgement = load(Judgement, plain, paths.judgement_path(name))
    drawn = emulated.load(paths.emulation_path(name))
    true = truth.load(paths.truth_path(params.simulator_of(name)))
    if isinstance(drawn, Unchecked) or isinstance(true, Unchecked):
        raise InputError(f"{paths.judgement_path(name)}: made of other fields; run dvc repro")
    about = storage.open_set(paths.SETS / name).about
    notes = storage.load_history(paths.history_path("emulate", name)).notes
    found = emulation(name, judgement, true.like(drawn.data).true, drawn.generated)
    scored = about.get("monte_carlo", {}).items()
    noise = {split: one for split, one in scored if one["mean_draws"]}
    return replace(found, noise=noise, spectrum=notes.get("spectrum", {}), masses=masses)


def emulation(name: str, judgement: Judgement, true: Array, generated: Array) -> Emulation:
    """An emulator with the first fields of each example.

    Args:
        true: True fields with shape (T, n, C, *space).
        generated: The emulator's fields with shape (T, m, C, *space).
    """
    maps = tuple(
        Maps(true=images(true[one.row, :MAPS]), generated=images(generated[one.row, :MAPS]))
        for one in judgement.examples
    )
    return Emulation(name=name, judgement=judgement, maps=maps)


def images(x: Array) -> Array:
    """The first channel of fields (n, C, *space); boxes are averaged along one axis."""
    first = x[:, 0]
    return np.asarray(first.mean(-1) if first.ndim == 4 else first)


def headlines(judgement: Judgement) -> Iterator[Headline]:
    """The numbers that a person asks for first."""
    yield from _chi_squared(judgement)
    power = judgement.seen.get(POWER, "")
    yield _headline(
        "Mean P(k): rms difference", judgement.difference_percent, percent=True, seen=power
    )
    for statistic, both in judgement.rms_z.items():
        seen = judgement.seen.get(statistic, "")
        yield _headline(f"rms z of {statistic}", both, seen=seen)
    difference = judgement.correlation.rms_difference
    yield _headline("Correlations of P(k): rms difference", difference, seen=power)
    difference = judgement.correlation.covariance_difference
    yield _headline("Covariance of P(k) off the diagonal: rms difference", difference, seen=power)
    response = judgement.response
    if response.rms_percent and response.rms_z:
        what = "Response to a parameter: rms difference"
        yield _headline(what, response.rms_percent, percent=True, seen=power)
        yield _headline("rms z of the response", response.rms_z, seen=power)


def _chi_squared(judgement: Judgement) -> Iterator[Headline]:
    sets, seen = judgement.chi_squared.sets, judgement.seen.get(POWER, "")
    generated, control = sets["generated"], sets["control"]
    yield Headline(
        what="Reduced chi-squared of P(k) over its Gaussian null",
        generated=generated.ratio,
        control=control.ratio,
        ideal="as true fields",
        se=generated.ratio_se,
        control_se=control.ratio_se,
        seen=seen,
    )
    yield Headline(
        what="… over that of true fields left out one by one",
        generated=generated.to_true,
        control=control.to_true,
        ideal="as true fields",
        se=generated.to_true_se,
        control_se=control.to_true_se,
        seen=seen,
    )
    yield Headline(
        what="… over that of true against true",
        generated=generated.to_control,
        control=control.to_control,
        ideal="1",
        se=generated.to_control_se,
        seen=seen,
    )


def _headline(what: str, both: Against, percent: bool = False, seen: str = "") -> Headline:
    return Headline(
        what=what,
        generated=both.generated,
        control=both.control,
        ideal="as true fields",
        percent=percent,
        seen=seen,
    )
