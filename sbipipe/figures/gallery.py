"""Every figure of a run, by the section of the page that shows it."""

from __future__ import annotations

from collections.abc import Mapping

from sbipipe.figures import (
    calibration_curves,
    chi_squared,
    components,
    emulated_curves,
    emulated_maps,
    fields,
    learning,
    posteriors,
    power_correlations,
    recovery,
    responses,
    separability,
    spectra,
)
from sbipipe.figures.style import Drawing, looks
from sbipipe.results import Recovery, Results

PARAMETERS = 6
"""Parameters for which scatter plots are drawn."""

Gallery = Mapping[str, tuple[Drawing, ...]]


def draw_all(results: Results) -> Gallery:
    """The figures; a section without any is empty."""
    look = looks([estimator.name for estimator in results.estimators], results.exact)
    return {
        "calibration": tuple(calibration_curves.draw(test, look) for test in results.tests),
        "posteriors": tuple(posteriors.draw(example, look) for example in results.examples),
        "recovery": tuple(recovery.draw(found, look[found.estimator]) for found in _first(results)),
        "fields": tuple(fields.draw(s.example_fields) for s in results.suites if s.example_fields),
        "spectra": tuple(
            spectra.draw(s.spectra, parameter)
            for s in results.suites
            if s.spectra
            for parameter in s.spectra.parameters[:PARAMETERS]
        ),
        "components": tuple(
            components.draw(vectors, parameter)
            for vectors in results.components
            for parameter in vectors.parameters[:PARAMETERS]
        ),
        "learning": tuple(learning.draw(entry) for entry in results.learning),
        "emulated_maps": tuple(emulated_maps.draw(one) for one in results.emulations),
        "chi_squared": tuple(chi_squared.draw(one) for one in results.emulations),
        "emulated_curves": tuple(
            drawing for one in results.emulations for drawing in emulated_curves.draw_all(one)
        ),
        "correlations": tuple(power_correlations.draw(one) for one in results.emulations),
        "responses": tuple(
            responses.draw(one, response)
            for one in results.emulations
            for response in one.responses
        ),
        "pairs": (separability.draw(results.pairs),) if results.pairs else (),
    }


def _first(results: Results) -> list[Recovery]:
    """Recoveries of the first parameters."""
    kept = dict.fromkeys(
        parameter for example in results.examples for parameter in example.parameters[:PARAMETERS]
    )
    return [
        found for parameter in kept for found in results.recoveries if found.parameter == parameter
    ]
