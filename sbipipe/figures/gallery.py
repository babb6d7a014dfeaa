"""Every figure of a run, by the section of the page that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import Any

import joblib

from sbipipe.figures import (
    budget,
    calibration_curves,
    chi_squared,
    components,
    distributions,
    emulated_curves,
    emulated_maps,
    fields,
    ladder,
    learning,
    posteriors,
    power_correlations,
    recovery,
    regions,
    responses,
    separability,
    spectra,
)
from sbipipe.figures.style import Drawing, looks
from sbipipe.results.answer import answers
from sbipipe.results.posteriors import Recovery
from sbipipe.results.run import Results

PARAMETERS = 6
"""Parameters for which scatter plots are drawn."""

Gallery = Mapping[str, tuple[Drawing, ...]]


def draw_all(results: Results) -> Gallery:
    """The figures, drawn in parallel; a section without any is empty."""
    plan = _plan(results)
    calls = [joblib.delayed(_drawn)(*call) for section in plan.values() for call in section]
    drawn = iter(joblib.Parallel()(calls))
    return {
        section: tuple(chain.from_iterable(islice(drawn, len(calls))))
        for section, calls in plan.items()
    }


def _drawn(draw: Callable[..., Drawing | Iterable[Drawing]], *about: Any) -> tuple[Drawing, ...]:
    found = draw(*about)
    return (found,) if isinstance(found, Drawing) else tuple(found)


def _plan(results: Results) -> dict[str, list[tuple[Any, ...]]]:
    """Who draws what, by section."""
    look = looks([estimator.name for estimator in results.estimators], results.exact)
    emulations = results.emulations
    found = answers(results.sharing, results.distinct, results.pairs)
    distinct = {one.name for one in results.distinct}
    first = {answer.simulator: answer.filled for answer in found}
    return {
        "calibration": [
            (calibration_curves.draw, test.of(distinct), look) for test in results.tests
        ],
        "regions": [
            (regions.draw, found) for found in results.local if found.estimator in distinct
        ],
        "posteriors": [
            (posteriors.draw, example.of(distinct), look, first.get(example.simulator, ()))
            for example in results.examples
        ],
        "recovery": [(recovery.draw, found, look[found.estimator]) for found in _first(results)],
        "fields": [(fields.draw, s.example_fields) for s in results.suites if s.example_fields],
        "spectra": [
            (spectra.draw, s.spectra, parameter)
            for s in results.suites
            if s.spectra
            for parameter in s.spectra.parameters[:PARAMETERS]
        ],
        "components": [
            (components.draw, vectors, parameter)
            for vectors in results.components
            for parameter in vectors.parameters[:PARAMETERS]
        ],
        "learning": [
            (learning.draw, entry, look.get(entry.entry, learning.PLAIN))
            for entry in results.learning
        ],
        "budgets": [
            (budget.draw, name, one, look[one.of]) for name, one in results.budgets.items()
        ],
        "emulated_maps": [(emulated_maps.draw, one) for one in emulations],
        "chi_squared": [(chi_squared.draw, one) for one in emulations],
        "distributions": [(distributions.draw, one) for one in emulations],
        "emulated_curves": [(emulated_curves.draw_all, one) for one in emulations],
        "correlations": [(power_correlations.draw, one) for one in emulations],
        "responses": [(responses.draw_all, one) for one in emulations],
        "ladders": [(ladder.draw, one, look) for one in results.ladders],
        "pairs": [(separability.draw, results.pairs)] if results.pairs else [],
    }


def _first(results: Results) -> list[Recovery]:
    """Recoveries of the first parameters."""
    kept = dict.fromkeys(
        parameter for example in results.examples for parameter in example.prior.shown[:PARAMETERS]
    )
    return [
        found
        for parameter in kept
        for found in results.recoveries
        if found.parameter == parameter and found.estimator not in results.idle
    ]
