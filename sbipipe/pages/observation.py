"""The page of one observation or several, which `sbipipe infer` writes beside the posterior file.

Nothing is computed here. The page is one file: figures inside it as data URIs, no script, nothing
fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sbipipe import storage
from sbipipe.figures import predicted as predicted_figure
from sbipipe.figures import triangle
from sbipipe.figures.style import Drawing, Look, looks
from sbipipe.posteriors.intervals import latex
from sbipipe.posteriors.portrait import Portrait
from sbipipe.posteriors.predicted import Predictive
from sbipipe.writing import SIGNS, environment

SHOWN = 6
"""Observations with a triangle of their own, at most; the tables have all of them."""


def write(path: Path, portrait: Portrait, predicted: Sequence[Predictive | str]) -> None:
    """Write the page.

    Args:
        path: The file.
        portrait: The observations and their posteriors.
        predicted: The posterior predictive check of each observation that is shown, or why it has
            none.
    """
    text = page(portrait, predicted)
    storage.write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def page(portrait: Portrait, predicted: Sequence[Predictive | str]) -> str:
    """The page as HTML."""
    look = looks(portrait.estimators, portrait.exact)
    shown = range(min(SHOWN, len(portrait.names)))
    summaries = [portrait.summaries(b) for b in range(len(portrait.names))]
    checks = [None if isinstance(one, str) else one for one in predicted]
    return (
        environment()
        .get_template("observation.html")
        .render(
            portrait=portrait,
            signs=SIGNS,
            shown=shown,
            summaries=summaries,
            latex=[latex(one[portrait.estimator]) for one in summaries],
            triangles=[_triangle(portrait, b, look) for b in shown],
            checks=checks,
            unchecked=[one if isinstance(one, str) else "" for one in predicted],
            predictions=[
                one and predicted_figure.draw(one, look[portrait.estimator], f"predicted_{b}")
                for b, one in enumerate(checks)
            ],
        )
    )


def _triangle(portrait: Portrait, b: int, look: dict[str, Look]) -> Drawing | None:
    """The posteriors of one observation by all estimators that could sample it."""
    every = {name: file.samples.draws[:, b] for name, file in portrait.files.items()}
    draws = {name: one for name, one in every.items() if np.isfinite(one).all()}
    if not draws:
        return None
    found = triangle.Overlaid(draws=draws, prior=portrait.prior, marked=portrait.marked)
    return triangle.draw(found, look, f"triangle_{b}", portrait.names[b])


__all__ = ["SHOWN", "page", "write"]
