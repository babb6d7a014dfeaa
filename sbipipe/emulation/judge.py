"""Emulated fields beside true ones at the same theta, and true ones beside true ones.

Every number and every curve comes twice: for the generated fields against the true ones, and for a
**control** against the true ones, which is what a perfect emulator would have given. The control is
true fields of other simulations where a simulator is at hand; else the true fields are halved and
one half is the control of the other.

Each file beside this one is a question: `chi_squared_sets`, whether single fields have the power of
true ones; `measured`, whether every statistic has the right mean; `correlations`, whether bins of
power vary together as they should; `responses`, whether one parameter does to the power what it
should; `remembered`, whether the fields are new; `at_one_theta`, whether whole distributions are
those of true fields. Numbers are of all channels, curves of the first.
"""

from __future__ import annotations

import numpy as np

from sbipipe import plugins
from sbipipe.emulation import measured, spectra
from sbipipe.emulation.at_one_theta import at_one_theta
from sbipipe.emulation.chi_squared_sets import chi_squared_sets
from sbipipe.emulation.correlations import correlations
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judgement import Against, Counts, Judgement
from sbipipe.emulation.measured import Measured
from sbipipe.emulation.remembered import remembered
from sbipipe.emulation.responses import responses
from sbipipe.emulation.truth import Truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.emulation.z_scores import rms
from sbipipe.interfaces import Array
from sbipipe.statistics.power_spectrum import PowerSpectrum

SHOWN = 3
"""Theta whose curves are shown."""

POWER = "power_spectrum"
"""The statistic that every judged field has."""


def judge(truth: Truth, drawn: Drawn, training: Array, seed: int) -> Judgement | Unchecked:
    """What can be said of fields that an emulator drew at the theta of `truth`.

    Args:
        training: Fields that it was fitted to, on the same grid, with shape (N, C, *space).
        seed: The root of the random streams.
    """
    why = obstacle(truth, drawn)
    if why:
        return Unchecked(why)
    kinds = plugins.statistics_of(truth.data)
    problems = {name: kind.obstacle(truth.data) for name, kind in kinds.items()}
    found = {
        name: [measured.measure(name, truth, drawn, t) for t in range(len(truth.theta))]
        for name, problem in problems.items()
        if not problem
    }
    power = _stacked(found[POWER])
    return Judgement(
        simulator=truth.simulator,
        parameters=truth.parameters,
        quantity=truth.data.quantity,
        space=truth.data.geometry.pixels,
        channels=len(truth.data.channels),
        k_unit=truth.data.geometry.k_unit,
        counts=_counts(truth, *power),
        control="halves" if truth.control is None else "simulations",
        left_out={kinds[name].title: problem for name, problem in problems.items() if problem},
        chi_squared=chi_squared_sets(*power),
        rms_z={kinds[name].title: measured.rms_z(one) for name, one in found.items()},
        difference_percent=_difference(*power),
        examples=tuple(
            measured.example(t, truth.theta[t], [one[t] for one in found.values()])
            for t in examples(truth.theta)
        ),
        correlation=correlations(spectra.wavenumbers(truth.data), *power),
        response=responses(truth, drawn),
        remembered=remembered(truth, drawn, training),
        seen={kinds[name].title: how for name, how in drawn.seen.items() if name in kinds},
        at_one_theta=at_one_theta(truth, drawn, seed),
    )


def obstacle(truth: Truth, drawn: Drawn) -> str:
    """Why these fields have no spectra to compare; empty where they have."""
    given, shape = drawn.generated.shape[2:], truth.data.shape
    if given != shape:
        return f"given {_times(given)} values a field; allowed: {_times(shape)}"
    problem = PowerSpectrum.obstacle(truth.data)
    if problem:
        return problem
    all_ = (drawn.generated, drawn.response, drawn.sample)
    rows = np.concatenate([
        x.reshape(-1, shape[0], np.prod(shape[1:])) for x in all_ if x is not None
    ])  # fmt: skip
    bad = int((~np.isfinite(rows).all(-1) | (np.ptp(rows, -1) == 0)).any(-1).sum())
    return f"{bad} of {len(rows)} emulated fields are constant or not finite" if bad else ""


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def examples(theta: Array) -> list[int]:
    """Theta that are shown: low, middling and high in the first parameter."""
    places = np.rint(np.linspace(0.1, 0.9, SHOWN) * (len(theta) - 1)).astype(int)
    return [int(i) for i in np.argsort(theta[:, 0])[np.unique(places)]]


def _stacked(power: list[Measured]) -> tuple[Array, Array, Array, Array]:
    """Spectra (T, fields, C * K) of the true and the generated fields, of the control, and of the
    true fields that it is set beside."""
    sorts = ((one.true, one.generated, one.control, one.reference) for one in power)
    true, generated, control, reference = (np.stack(one) for one in zip(*sorts, strict=True))
    return true, generated, control, reference


def _counts(
    truth: Truth, true: Array, generated: Array, control: Array, reference: Array
) -> Counts:
    return Counts(
        theta=len(true),
        true=true.shape[1],
        generated=generated.shape[1],
        control=control.shape[1],
        failed=truth.failed,
    )


def _difference(true: Array, generated: Array, control: Array, reference: Array) -> Against:
    """rms over theta and k of how far mean spectra are from true ones [percent], of as many
    generated fields as the control has."""
    few = generated[:, : control.shape[1]]
    return Against(
        generated=rms(100 * (few.mean(1) / true.mean(1) - 1)),
        control=rms(100 * (control.mean(1) / reference.mean(1) - 1)),
    )
