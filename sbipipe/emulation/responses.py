"""How spectra answer to single parameters.

With one parameter moved to theta_v, R_v(k) = ln P(k | theta_v) - ln P(k | theta_0) at equal noise,
averaged over noise; a seed of the simulator counts once, however many fields it gave.
"""

from __future__ import annotations

import numpy as np

from sbipipe.emulation import spectra
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judgement import Against, Band, EmulatedResponse, Responses, short
from sbipipe.emulation.truth import Truth
from sbipipe.emulation.z_scores import rms, z_scores
from sbipipe.interfaces import Array


def responses(truth: Truth, drawn: Drawn) -> Responses:
    """Ratios of spectra to the fiducial one, by parameter, and how far they are from the truth."""
    k, found = spectra.wavenumbers(truth.data), truth.response
    rows = {"generated": log_response(spectra.power(drawn.response, truth.data))}
    distance: dict[str, tuple[Array, Array]] = {}
    each = 1
    if found is not None:
        each = found.each
        rows |= {
            name: log_response(spectra.power(fields, truth.data))
            for name, fields in (("true", found.true), ("control", found.control))
        }
        true, control = (by_seed(rows[name], each) for name in ("true", "control"))
        distance = {
            "generated": _distance(rows["generated"], true),
            "control": _distance(control, true),
        }
    percent = {name: rms(100 * mean) for name, (mean, _) in distance.items()}
    z = {name: rms(of_mean) for name, (_, of_mean) in distance.items()}
    return Responses(
        k=short(k),
        rows={name: len(values) for name, values in rows.items()},
        each=each,
        rms_percent=Against(**percent) if percent else None,
        rms_z=Against(**z) if z else None,
        parameters=_by_parameter(
            truth, {name: np.exp(values[..., : len(k)]) for name, values in rows.items()}
        ),
    )


def _by_parameter(truth: Truth, ratios: dict[str, Array]) -> dict[str, EmulatedResponse]:
    """Ratios (rows, V - 1, K) of each sort, taken apart by the parameter that is moved."""
    fiducial, varied = truth.varied[0], truth.varied[1:]
    moved = np.argmax(varied != fiducial, axis=1)
    return {
        truth.parameters[i]: EmulatedResponse(
            fiducial=float(fiducial[i]),
            values=tuple(varied[moved == i, i].tolist()),
            **{
                name: tuple(Band.of(ratio) for ratio in rows[:, moved == i].swapaxes(0, 1))
                for name, rows in ratios.items()
            },
        )
        for i in np.unique(moved)
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
    return (a.mean(0) - b.mean(0)).ravel(), z_scores(*flat)
