"""The page of posteriors that were judged in memory: verdicts, calibration curves, margins, maps.

Nothing is computed here but the local calibration that the maps show. The page is one file: figures
inside it as data URIs, no script, nothing fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sbipipe import storage
from sbipipe.config import Gate
from sbipipe.figures import calibration_curves, regions
from sbipipe.figures.style import Drawing, looks
from sbipipe.gate.verdict import Verdict
from sbipipe.gate.words import saw
from sbipipe.interfaces import PosteriorDraws
from sbipipe.results.regions import local_calibration
from sbipipe.results.tests import by_test
from sbipipe.writing import SIGNS, environment


def write(
    folder: Path,
    verdicts: Mapping[str, Verdict],
    draws: Mapping[str, PosteriorDraws],
    gate: Gate,
    notes: Sequence[str] = (),
) -> None:
    """Write `index.html` into a folder.

    Args:
        verdicts: The verdict on each posterior, by name.
        draws: What was judged, by the same names.
        gate: The settings that the verdicts rest on.
        notes: What a reader must know of what was judged, a sentence each.
    """
    text = page(verdicts, draws, gate, notes)
    path = folder / "index.html"
    storage.write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def page(
    verdicts: Mapping[str, Verdict],
    draws: Mapping[str, PosteriorDraws],
    gate: Gate,
    notes: Sequence[str] = (),
) -> str:
    """The page as HTML."""
    tests, look = by_test(verdicts), looks(list(verdicts))
    return (
        environment()
        .get_template("judged.html")
        .render(
            verdicts=verdicts,
            tests=tests,
            saw={name: saw(one) for name, one in verdicts.items()},
            gate=gate,
            notes=notes,
            signs=SIGNS,
            curves=[calibration_curves.draw(test, look) for test in tests],
            maps=_maps(draws),
        )
    )


def _maps(draws: Mapping[str, PosteriorDraws]) -> list[Drawing]:
    return [
        regions.draw(found) for name, one in draws.items() for found in local_calibration(name, one)
    ]


__all__ = ["page", "write"]
