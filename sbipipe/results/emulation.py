"""What `reports/emulation.json` and `data/emulations` say of the emulators, as frozen records.

Curves, maps and numbers come in pairs: of generated fields against true ones, and of a control
against true ones, which is what a perfect emulator would have given (see `validation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sbipipe import project, storage
from sbipipe.config import Params
from sbipipe.interfaces import Array

MAPS = 2
"""Fields of each sort that are shown at one theta."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """Mean and scatter of a curve over fields, each with shape (L,)."""

    mean: Array
    sd: Array


@dataclass(frozen=True, kw_only=True)
class EmulatedCurve:
    """A statistic at one theta, with shape (L,).

    Attributes:
        z, z_control: Distance of the means in standard errors.
    """

    x: Array
    x_label: str
    y_label: str
    true: Band
    generated: Band
    control: Band
    z: Array
    z_control: Array


@dataclass(frozen=True, kw_only=True)
class EmulatedExample:
    """One held-out theta (D,).

    Attributes:
        true, generated: Images of the first channel, with shape (MAPS, *space), space having one
            dimension or two.
        curves: By statistic.
    """

    theta: Array
    true: Array
    generated: Array
    curves: Mapping[str, EmulatedCurve]


@dataclass(frozen=True, kw_only=True)
class ChiSquared:
    """Reduced chi-squared of the power of each field against `references` true ones.

    Attributes:
        values: One for each field.
        null: The mean, were power Gaussian.
        ratio: mean / null.
        to_true: The same over that of each true field against the others.
        to_control: The same over that of the control.
    """

    values: Array
    references: int
    null: float
    mean: float
    ratio: float
    ratio_se: float
    to_true: float
    to_true_se: float
    to_control: float
    to_control_se: float


@dataclass(frozen=True, kw_only=True)
class EmulatedResponse:
    """P / P_0 where one parameter is moved to each of `values`; `true` is empty where there is
    no simulator to ask."""

    parameter: str
    fiducial: float
    values: tuple[float, ...]
    k: Array
    generated: tuple[Band, ...]
    true: tuple[Band, ...]


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One number of the table.

    Attributes:
        se: Standard error over theta, where there is one.
        ideal: What a perfect emulator gives.
        percent: Whether it is one.
    """

    what: str
    generated: float
    control: float
    ideal: str
    se: float | None = None
    control_se: float | None = None
    percent: bool = False


@dataclass(frozen=True, kw_only=True)
class Emulation:
    """An emulator beside the truth.

    Attributes:
        counts: Of held-out "theta"; "true", "generated" and "control" fields at each; and
            simulations that "failed" and were replaced.
        simulated: Whether the control is of other simulations; else of halves of the true fields.
        left_out: Statistics that these fields do not have.
        chi_squared: "leave_one_out_true", "leave_one_out_generated", "generated" and "control".
        correlation: "true", "generated" and "control", each with shape (K, K), and "k" (K,).
        rows: Noises that a response is averaged over, "generated" and "true".
        each: How many of the true ones share a simulation.
    """

    name: str
    simulator: str
    parameters: tuple[str, ...]
    quantity: str
    channels: int
    k_unit: str
    counts: Mapping[str, int]
    simulated: bool
    left_out: tuple[str, ...]
    headlines: tuple[Headline, ...]
    chi_squared: Mapping[str, ChiSquared]
    examples: tuple[EmulatedExample, ...]
    correlation: Mapping[str, Array]
    responses: tuple[EmulatedResponse, ...]
    rows: Mapping[str, int]
    each: int


def read(params: Params) -> tuple[tuple[Emulation, ...], Mapping[str, str]]:
    """The emulators of a run, and those that could not be checked with the reason.

    Raises:
        InputError: If `reports/emulation.json` is missing.
    """
    found = storage.load_json(project.EMULATION)["emulators"]
    names = [name for name in params.train if name in found]
    unchecked = {
        name: str(found[name]["unchecked"]) for name in names if "unchecked" in found[name]
    }
    checked = (name for name in names if name not in unchecked)
    return tuple(emulation(name, found[name]) for name in checked), unchecked


def emulation(name: str, entry: Mapping[str, Any]) -> Emulation:
    """One entry of `reports/emulation.json`, with the maps that belong to it."""
    arrays = storage.load_weights(project.emulation_path(name)).arrays
    sets = entry["chi_squared"]["sets"]
    response = entry["response"]
    return Emulation(
        name=name,
        simulator=entry["simulator"],
        parameters=tuple(entry["parameters"]),
        quantity=entry["quantity"],
        channels=entry["channels"],
        k_unit=entry["k_unit"],
        counts=entry["counts"],
        simulated=entry["control"] == "simulations",
        left_out=tuple(entry["left_out"]),
        headlines=tuple(_headlines(entry)),
        chi_squared={key: _chi_squared(one) for key, one in sets.items()},
        examples=tuple(_example(example, arrays) for example in entry["examples"]),
        correlation={
            key: np.array(entry["correlation"][key], np.float64)
            for key in ("k", "true", "generated", "control")
        },
        responses=tuple(
            EmulatedResponse(
                parameter=parameter,
                fiducial=one["fiducial"],
                values=tuple(one["values"]),
                k=np.array(response["k"]),
                generated=_bands(one["generated"]),
                true=_bands(one.get("true", ())),
            )
            for parameter, one in response["parameters"].items()
        ),
        rows=response["rows"],
        each=response["each"],
    )


def _chi_squared(entry: Mapping[str, Any]) -> ChiSquared:
    plain = {key: entry[key] for key in ChiSquared.__dataclass_fields__ if key != "values"}
    return ChiSquared(values=np.array(entry["values"]), **plain)


def _example(entry: Mapping[str, Any], arrays: Mapping[str, Any]) -> EmulatedExample:
    curves = {
        name: EmulatedCurve(
            x=np.array(curve["x"]),
            x_label=curve["x_label"],
            y_label=curve["y_label"],
            z=np.array(curve["z"]),
            z_control=np.array(curve["z_control"]),
            **{key: _band(curve[key]) for key in ("true", "generated", "control")},
        )
        for name, curve in entry["curves"].items()
    }
    images = (_images(arrays[key][entry["row"], :MAPS]) for key in ("true", "generated"))
    true, generated = images
    return EmulatedExample(
        theta=np.array(entry["theta"]), true=true, generated=generated, curves=curves
    )


def _images(x: Array) -> Array:
    """The first channel of fields (n, C, *space); boxes are averaged along one axis."""
    first = x[:, 0]
    return np.asarray(first.mean(-1) if first.ndim == 4 else first)


def _band(entry: Mapping[str, Any]) -> Band:
    return Band(mean=np.array(entry["mean"]), sd=np.array(entry["sd"]))


def _bands(entries: Sequence[Mapping[str, Any]]) -> tuple[Band, ...]:
    return tuple(_band(entry) for entry in entries)


def _headlines(entry: Mapping[str, Any]) -> Iterator[Headline]:
    """The numbers that a person asks for first."""
    sets = entry["chi_squared"]["sets"]
    generated, control = sets["generated"], sets["control"]
    for key, what in (
        ("ratio", "Reduced chi-squared of P(k) over its Gaussian null"),
        ("to_true", "… over that of true fields left out one by one"),
        ("to_control", "… over that of true against true"),
    ):
        yield Headline(
            what=what,
            generated=generated[key],
            control=control[key],
            ideal="1" if key == "to_control" else "as true fields",
            se=generated[f"{key}_se"],
            control_se=None if key == "to_control" else control[f"{key}_se"],
        )
    yield _headline("Mean P(k): rms difference", entry["difference_percent"], percent=True)
    for group, both in entry["rms_z"].items():
        yield _headline(f"rms z of {group}", both)
    yield _headline("Correlations of P(k): rms difference", entry["correlation"]["rms_difference"])
    response = entry["response"]
    if response["rms_percent"]:
        yield _headline("Response to a parameter: rms difference", response["rms_percent"],
                        percent=True)  # fmt: skip
        yield _headline("rms z of the response", response["rms_z"])


def _headline(what: str, both: Mapping[str, float], percent: bool = False) -> Headline:
    return Headline(
        what=what,
        generated=both["generated"],
        control=both["control"],
        ideal="as true fields",
        percent=percent,
    )
