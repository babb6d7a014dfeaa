r"""Emulated fields beside true ones at the same theta, and true ones beside true ones.

Every number and every curve comes twice: for the generated fields against the true ones, and for a
**control** against the true ones, which is what a perfect emulator would have given. The control is
true fields of other simulations where a simulator is at hand; else the true fields are halved and
one half is the control of the other.

**Chi-squared** (see `emulation`) is set beside its Gaussian null, beside the true fields left out
one by one, and beside the control. Where all true fields of one theta come from one box, only the
last is what a perfect emulator attains: its fields come from other boxes.

**z.** For a statistic S measured on m fields and on n true ones, per component,

    z = (mean S_gen - mean S_true) / sqrt(var S_gen / m + var S_true / n),

whose rms is 1 for a perfect emulator, but for Student's tails and for true fields of one box, which
are not independent: the control shows by how much.

**Response.** With one parameter moved to theta_v, R_v(k) = ln P(k | theta_v) - ln P(k | theta_0) at
equal noise, averaged over noise; a seed of the simulator counts once, however many fields it gave.

**Correlations.** Of P(k) between bins, from the residuals of each field about the mean at its
theta, in units of their scatter there.

Power spectra are of all channels; curves and the other statistics are of the first. Bispectra,
peaks and Minkowski functionals are measured on maps alone, by lenstools.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sbipipe.emulation import scores as emulation
from sbipipe.emulation.held_out import Emulated, Response, Unchecked
from sbipipe.interfaces import Array, Index
from sbipipe.statistics import lensing_statistics as lensing
from sbipipe.statistics.lensing_statistics import Grid

SHOWN = 3
"""Theta whose curves are shown."""

DENSITY_BINS, THRESHOLDS, BANDS = 32, 12, 16
"""Of the pixel density, of peaks and Minkowski functionals, and twice those of the bispectrum."""

MATRIX = 24
"""Bins of a correlation matrix, at most: neighbours are averaged."""

SMALLEST, MAP_SMALLEST = 4, 16
"""Pixels on a side, for a spectrum and for the statistics of maps."""

GROUPS = {
    "power spectrum": ("power spectrum",),
    "pixel density": ("pixel density",),
    "bispectrum": ("equilateral bispectrum", "folded bispectrum"),
    "peak counts": ("peak counts",),
    "Minkowski functionals": ("V0", "V1", "V2"),
}
"""Statistics, and the curves that belong to each."""


class Axis(NamedTuple):
    """Where a statistic is measured; the label of y is without units."""

    x: Array
    x_label: str
    y_label: str


def validate(found: Emulated | Unchecked) -> dict[str, Any]:
    """What `reports/emulation.json` says of one emulator; "unchecked" where nothing can be."""
    why = found.why if isinstance(found, Unchecked) else obstacle(found)
    if isinstance(found, Unchecked) or why:
        return {"unchecked": why}
    k, power = emulation.spectra(found.true, found.box)
    drawn = emulation.spectra(found.generated, found.box)[1]
    control, reference = _control(found, power)
    measured = [_measure(found, t) for t in range(len(found.theta))]
    maps = "equilateral bispectrum" in measured[0].axes
    return {
        "simulator": found.simulator,
        "parameters": found.parameters,
        "quantity": found.quantity,
        "space": found.true.shape[3:],
        "channels": found.true.shape[2],
        "k_unit": "h/Mpc" if found.box else "cycles per map",
        "counts": {
            "theta": len(found.theta),
            "true": found.true.shape[1],
            "generated": found.generated.shape[1],
            "control": control.shape[1],
            "failed": found.failed,
        },
        "control": "halves" if found.control is None else "simulations",
        "left_out": [] if maps else ["bispectrum", "peak counts", "Minkowski functionals"],
        "chi_squared": _chi_squared(power, drawn, control, reference),
        "rms_z": _rms_z(measured),
        "difference_percent": {
            "generated": _difference(drawn[:, : control.shape[1]], power),
            "control": _difference(control, power[:, reference]),
        },
        "examples": [_example(found, measured[t], t) for t in examples(found.theta)],
        "correlation": _correlations(k, power, drawn, control, reference),
        "response": _response(found.response, found.parameters, found.box),
    }


def obstacle(found: Emulated) -> str:
    """Why these fields have no spectra to compare; empty where they have."""
    shape = found.true.shape[2:]
    if found.generated.shape[2:] != shape:
        return f"given {_times(found.generated.shape[2:])} values a field; allowed: {_times(shape)}"
    if len(set(shape[1:])) != 1 or shape[1] < SMALLEST:
        return f"fields of {_times(shape[1:])} pixels; allowed: equal sides of {SMALLEST} or more"
    drawn = (found.generated, found.response.generated)
    rows = np.concatenate([x.reshape(-1, shape[0], np.prod(shape[1:])) for x in drawn])
    bad = int((~np.isfinite(rows).all(-1) | (np.ptp(rows, -1) == 0)).any(-1).sum())
    return f"{bad} of {len(rows)} emulated fields are constant or not finite" if bad else ""


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def examples(theta: Array) -> list[int]:
    """Theta that are shown: low, middling and high in the first parameter."""
    places = np.rint(np.linspace(0.1, 0.9, SHOWN) * (len(theta) - 1)).astype(int)
    return [int(i) for i in np.argsort(theta[:, 0])[np.unique(places)]]


def _control(found: Emulated, power: Array) -> tuple[Array, slice]:
    """Spectra of the control, and the true fields that are its reference."""
    if found.control is not None:
        return emulation.spectra(found.control, found.box)[1], slice(None)
    return power[:, 1::2], slice(None, None, 2)


# Reduced chi-squared


def _chi_squared(power: Array, drawn: Array, control: Array, reference: slice) -> dict[str, Any]:
    n, bins = power.shape[1:]
    loo, alone, all_, other = (
        np.stack([of(*pair) for pair in zip(a, b, strict=True)])
        for of, a, b in (
            (emulation.leave_one_out, power, power),
            (emulation.leave_one_out, drawn, power),
            (emulation.reduced_chi_squared, drawn, power),
            (emulation.reduced_chi_squared, control, power[:, reference]),
        )
    )
    m = power[:, reference].shape[1]
    against = {
        "true": loo / emulation.null(n - 1, bins),
        "control": other / emulation.null(m, bins),
    }
    return {
        "bins": bins,
        "sets": {
            "leave_one_out_true": _set(loo, n - 1, bins, against),
            "leave_one_out_generated": _set(alone, n - 1, bins, against),
            "generated": _set(all_, n, bins, against),
            "control": _set(other, m, bins, against),
        },
    }


def _set(values: Array, references: int, bins: int, against: Mapping[str, Array]) -> dict[str, Any]:
    """One histogram beside the Gaussian null, beside the true fields' own leave-one-out, and beside
    the control."""
    null = emulation.null(references, bins)
    mean = emulation.mean_of_clusters(values)
    ratios = {key: emulation.ratio_of_clusters(values / null, of) for key, of in against.items()}
    return {
        "references": references,
        "null": null,
        "mean": mean.mean,
        "se": mean.se,
        "ratio": mean.mean / null,
        "ratio_se": mean.se / null,
        **{f"to_{key}": ratio.mean for key, ratio in ratios.items()},
        **{f"to_{key}_se": ratio.se for key, ratio in ratios.items()},
        "values": _short(values.ravel()),
    }


# Statistics at each theta


class Measured(NamedTuple):
    """Every statistic of the fields of one theta, each with shape (fields, L).

    Attributes:
        axes: By curve.
        true, generated, control: By curve.
        reference: The true fields that the control is set beside.
    """

    axes: Mapping[str, Axis]
    true: Mapping[str, Array]
    generated: Mapping[str, Array]
    control: Mapping[str, Array]
    reference: Mapping[str, Array]

    def z(self, curve: str) -> tuple[Array, Array]:
        """z of the generated fields and of the control."""
        return (
            emulation.z_scores(self.generated[curve], self.true[curve]),
            emulation.z_scores(self.control[curve], self.reference[curve]),
        )


def _measure(found: Emulated, t: int) -> Measured:
    ruler = Ruler.of(found.true[t], found.box)
    true, generated = ruler.measure(found.true[t]), ruler.measure(found.generated[t])
    if found.control is None:
        reference = {name: values[::2] for name, values in true.items()}
        control = {name: values[1::2] for name, values in true.items()}
    else:
        reference, control = true, ruler.measure(found.control[t])
    return Measured(ruler.axes(), true, generated, control, reference)


@dataclass(frozen=True)
class Ruler:
    """Where the statistics of the fields of one theta are measured.

    Attributes:
        edges: Bins of pixel values.
        grid: Of the statistics of maps; None where space is no map.
        box: Side [Mpc/h].
        k: Of the power spectrum, with shape (K,).
        dimensions: Of space.
    """

    edges: Array
    grid: Grid | None
    box: float | None
    k: Array
    dimensions: int

    @classmethod
    def of(cls, true: Array, box: float | None) -> Ruler:
        """Bins for the true fields (n, C, *space)."""
        first = true[:, 0]
        ends = np.quantile(first, [0.0005, 0.9995])
        is_map = first.ndim == 3 and first.shape[-1] >= MAP_SMALLEST
        return cls(
            edges=np.linspace(ends[0], ends[1], DENSITY_BINS + 1),
            grid=lensing.make_grid(first, BANDS, THRESHOLDS) if is_map else None,
            box=box,
            k=emulation.spectra(true[:1, None], box)[0],
            dimensions=first.ndim - 1,
        )

    def axes(self) -> dict[str, Axis]:
        """By curve, in the order in which they are shown."""
        d = self.dimensions
        units = ("h/Mpc", f"(Mpc/h)^{d}") if self.box else ("cycles per map", "side of the map = 1")
        found = {
            "power spectrum": Axis(self.k, f"k [{units[0]}]", f"P(k) [{units[1]}]"),
            "pixel density": Axis(_middles(self.edges), "pixel value", "density"),
        }
        if self.grid is None:
            return found
        # A map has the nominal side of 2 pi, so lenstools' k counts the map's fundamental mode.
        scale = 2 * np.pi / self.box if self.box else 1.0
        triangles, levels = _middles(self.grid.triangles) * scale, _middles(self.grid.levels)
        return found | {
            "equilateral bispectrum": Axis(triangles, f"k [{units[0]}]", "equilateral Q(k)"),
            "folded bispectrum": Axis(triangles, f"k [{units[0]}]", "folded Q(k)"),
            "peak counts": Axis(_heights(self.grid.peaks), "height", "peaks"),
            "V0": Axis(levels, "threshold", "V0, area"),
            "V1": Axis(levels, "threshold", "V1, boundary"),
            "V2": Axis(levels, "threshold", "V2, genus"),
        }

    def measure(self, x: Array) -> dict[str, Array]:
        """Every curve of fields (n, C, *space), each with shape (n, L)."""
        first = x[:, :1]
        found = {
            "power spectrum": emulation.spectra(first[None], self.box)[1][0],
            "pixel density": np.stack([self._density(field) for field in first]),
        }
        return found if self.grid is None else found | _map_statistics(first[:, 0], self.grid)

    def _density(self, field: Array) -> Array:
        counts, _ = np.histogram(field, self.edges)
        return np.asarray(counts / field.size / np.diff(self.edges))


def _map_statistics(maps: Array, grid: Grid) -> dict[str, Array]:
    """Bispectra, peak counts and Minkowski functionals of maps (n, N, N)."""
    names: tuple[lensing.Statistic, ...] = ("bispectrum", "peak_counts", "minkowski")
    rows = np.stack([lensing.measure(field, names, grid) for field in maps])
    bands, levels = len(grid.triangles) - 1, len(grid.levels) - 1
    sizes = (bands, bands, len(grid.peaks) - 1, levels, levels, levels)
    curves = ("equilateral bispectrum", "folded bispectrum", "peak counts", "V0", "V1", "V2")
    parts = dict(zip(curves, np.split(rows, np.cumsum(sizes)[:-1], axis=1), strict=True))
    return parts | {"peak counts": (parts["peak counts"] / 2) ** 2 - 3 / 8}


def _middles(edges: Array) -> Array:
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def _heights(edges: Array) -> Array:
    """Middles of the bins of peaks; the outer ones, which hold all others, at their inner edge."""
    inner = edges[1:-1]
    return np.concatenate([inner[:1], _middles(inner), inner[-1:]]) if len(inner) else np.zeros(1)


def _rms_z(measured: list[Measured]) -> dict[str, dict[str, float]]:
    """Over all theta and components, of each statistic."""
    found = {}
    for group, curves in GROUPS.items():
        pairs = [one.z(curve) for one in measured for curve in curves if curve in one.axes]
        if pairs:
            generated, control = (np.concatenate(z) for z in zip(*pairs, strict=True))
            found[group] = {"generated": _rms(generated), "control": _rms(control)}
    return found


def _example(found: Emulated, measured: Measured, t: int) -> dict[str, Any]:
    """Curves of one theta, with the scatter of its fields."""
    curves = {}
    for name, axis in measured.axes.items():
        z, z_control = measured.z(name)
        curves[name] = {
            "x": _short(axis.x),
            "x_label": axis.x_label,
            "y_label": axis.y_label,
            "true": _band(measured.true[name]),
            "generated": _band(measured.generated[name]),
            "control": _band(measured.control[name]),
            "z": _short(z),
            "z_control": _short(z_control),
        }
    return {"row": t, "theta": found.theta[t], "curves": curves}


def _band(values: Array) -> dict[str, Any]:
    """Mean and scatter over the first axis."""
    return {"mean": _short(values.mean(0)), "sd": _short(values.std(0, ddof=1))}


def _difference(power: Array, reference: Array) -> float:
    """rms over theta and k of how far the mean spectrum is from the true one [percent]."""
    return _rms(100 * (power.mean(1) / reference.mean(1) - 1))


# Correlations


def correlation(power: Array) -> Array:
    """Between bins of the spectra (T, m, K), within each theta, with shape (K, K)."""
    residual = (power - power.mean(1, keepdims=True)) / power.std(1, keepdims=True, ddof=1)
    return np.asarray(np.corrcoef(residual.reshape(-1, power.shape[-1]), rowvar=False))


def _correlations(
    k: Array, power: Array, drawn: Array, control: Array, reference: slice
) -> dict[str, Any]:
    """Matrices of the first channel; numbers from as many generated fields as the control has."""
    groups: list[Index] = [*np.array_split(np.arange(len(k)), min(MATRIX, len(k)))]
    power, drawn, control = (_averaged(one, groups) for one in (power, drawn, control))
    matrices = [correlation(one) for one in (power, drawn, control)]
    few = correlation(drawn[:, : control.shape[1]])
    off = ~np.eye(len(groups), dtype=bool)
    return {
        "k": _short(np.array([k[group].mean() for group in groups])),
        **{
            name: np.round(matrix, 3)
            for name, matrix in zip(("true", "generated", "control"), matrices, strict=True)
        },
        "rms_difference": {
            "generated": _rms((few - matrices[0])[off]),
            "control": _rms((matrices[2] - correlation(power[:, reference]))[off]),
        },
    }


def _averaged(power: Array, groups: list[Index]) -> Array:
    return np.stack([power[..., group].mean(-1) for group in groups], -1)


# Response


def _response(found: Response, parameters: tuple[str, ...], box: float | None) -> dict[str, Any]:
    """Ratios of spectra to the fiducial one, by parameter, and how far they are from the truth.

    Numbers are None where there is no true response.
    """
    k, power = emulation.spectra(found.generated, box)
    drawn = log_response(power)
    sets = {"generated": drawn}
    distance = {}
    if found.true is not None and found.control is not None:
        true, control = (
            log_response(emulation.spectra(rows, box)[1]) for rows in (found.true, found.control)
        )
        sets |= {"true": true, "control": control}
        seeds = by_seed(true, found.each)
        distance = {
            "generated": _distance(drawn, seeds),
            "control": _distance(by_seed(control, found.each), seeds),
        }
    moved = np.argmax(found.theta[1:] != found.theta[0], axis=1)
    return {
        "k": _short(k),
        "rows": {name: len(rows) for name, rows in sets.items()},
        "each": found.each,
        "rms_percent": {name: _rms(100 * mean) for name, (mean, _) in distance.items()} or None,
        "rms_z": {name: _rms(z) for name, (_, z) in distance.items()} or None,
        "parameters": {
            parameters[i]: {
                "fiducial": found.theta[0, i],
                "values": found.theta[1:][moved == i, i],
                **{
                    name: [
                        _band(ratio)
                        for ratio in np.exp(rows[:, moved == i, : len(k)]).swapaxes(0, 1)
                    ]
                    for name, rows in sets.items()
                },
            }
            for i in np.unique(moved)
        },
    }


def log_response(power: Array) -> Array:
    """ln P / P_0 of spectra (R, V, K) whose first theta is the fiducial one, (R, V - 1, K)."""
    return np.asarray(np.log(power[:, 1:] / power[:, :1]))


def by_seed(rows: Array, each: int) -> Array:
    """The mean of the `each` rows that share their phases: (S * each, ...) -> (S, ...)."""
    return np.asarray(rows.reshape(-1, each, *rows.shape[1:]).mean(1))


def _distance(a: Array, b: Array) -> tuple[Array, Array]:
    """Difference of the mean responses of a and b, and its z, each with shape (V - 1, K)."""
    flat = [rows.reshape(len(rows), -1) for rows in (a, b)]
    return (a.mean(0) - b.mean(0)).ravel(), emulation.z_scores(*flat)


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _short(values: Array) -> list[float]:
    """Five digits are enough for a figure."""
    return [float(f"{value:.5g}") for value in np.asarray(values).tolist()]
