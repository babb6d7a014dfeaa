"""An observation beside what its own posterior predicts, component by component.

In units of the mean and spread of the simulated data: thick bars hold 68 % of them, thin ones 95 %.
"""

from __future__ import annotations

import numpy as np

from sbipipe.figures.style import FAINT, INK, Drawing, Look, canvas, finish, plain
from sbipipe.posteriors.predicted import Predictive

WIDTH, EACH, ROOM = 4.6, 0.24, 0.9
"""Inches: of the figure, of a component, and of what stands around them."""


def draw(found: Predictive, look: Look, name: str) -> Drawing:
    """One row for each component.

    Args:
        look: The look of the estimator whose posterior it is.
        name: Of the file, without suffix.
    """
    rows = np.arange(len(found.components))[::-1]
    with canvas(WIDTH, ROOM + EACH * max(len(rows), 3)) as figure:
        axes = figure.add_subplot()
        for level, width in ((0.95, 1.2), (0.68, 4.0)):
            low, high = np.quantile(found.simulated, [(1 - level) / 2, (1 + level) / 2], axis=0)
            axes.hlines(rows, low, high, color=look.colour, lw=width, alpha=0.75)
        axes.plot(found.observed, rows, "D", color=INK, ms=4.5, label="observed")
        axes.axvline(0, color=FAINT, lw=0.7, zorder=0)
        axes.set_yticks(rows, [plain(one) for one in found.components])
        axes.set_xlabel("distance from the simulated mean [their standard deviations]")
        axes.tick_params(axis="y", length=0)
        axes.margins(y=0.6 / max(len(rows), 3))
        return finish(figure, name, _alt(found))


def _alt(found: Predictive) -> str:
    far = np.abs(found.observed).argmax()
    return (
        f"The observation beside {len(found.simulated)} simulations at its posterior, in "
        f"{len(found.components)} components; the farthest, {found.components[far]}, lies "
        f"{found.observed[far]:.1f} standard deviations from their mean."
    )


__all__ = ["draw"]
