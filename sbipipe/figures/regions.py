"""Where a posterior is wrong: a map of local calibration over one or two parameters.

Cells have equal sizes, and the ticks say where they end. The number in a cell is the share of
truths inside the 68 % region, and its colour how far that is from 68 % in standard errors. An arrow
points from the draws to the truths where these lie to one side by more than chance does in one cell
of twenty.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize

from sbipipe.figures.style import (
    FAINT,
    NARROW,
    ON_DARK,
    ON_PALE,
    Drawing,
    canvas,
    finish,
    plain,
    symbol,
)
from sbipipe.interfaces import Array
from sbipipe.results.regions import LocalCalibration

COLOURS = LinearSegmentedColormap.from_list("narrow-wide", ["#D55E00", "#FEFEFE", "#0072B2"])
"""Orange where too narrow, blue where too wide: told apart by readers of every colour vision."""

FAR = 4.0
"""Standard errors at which a colour is full."""

LEANS = (1.96, 2.45)
"""Length beyond which one arrow of twenty lies by chance, in standard errors, for one parameter and
for two."""


def draw(found: LocalCalibration) -> Drawing:
    """One map."""
    two = len(found.parameters) == 2
    scale = ScalarMappable(Normalize(-FAR, FAR), COLOURS)
    with canvas(NARROW, 3.4 if two else 1.9) as figure:
        axes = figure.add_subplot()
        colours = scale.to_rgba(found.z.T)
        colours[found.count.T == 0] = (0.93, 0.93, 0.93, 1.0)
        axes.imshow(colours, origin="lower", aspect="auto")
        _cells(axes, found)
        _ticks(axes, found)
        axes.set_title(plain(found.estimator))
        bar = figure.colorbar(scale, ax=axes, location="bottom", aspect=28, ticks=[-FAR, 0, FAR])
        bar.ax.set_xticklabels(["too narrow", "68 %", "too wide"])
        bar.ax.tick_params(length=0)
        name = f"regions_{found.estimator}_{'_'.join(found.parameters)}"
        return finish(figure, name, _alt(found))


def _cells(axes: Axes, found: LocalCalibration) -> None:
    """Numbers, and arrows where the truths lie to one side."""
    for column, row in np.argwhere(found.count > 0):
        z = found.z[column, row]
        ink = ON_DARK if abs(z) > 0.8 * FAR else ON_PALE
        lean = found.lean_z[column, row]
        leans = float(np.linalg.norm(lean)) > LEANS[len(lean) - 1]
        held = f"{100 * found.held[column, row]:.0f}"
        axes.text(column, row - 0.22 * leans, held, ha="center", va="center", color=ink, fontsize=8)
        if leans:
            _arrow(axes, column, row, lean, ink)


def _arrow(axes: Axes, column: int, row: int, lean: Array, ink: str) -> None:
    way = np.append(lean, 0.0)[:2]
    half = 0.2 * way / np.hypot(*way)
    middle = np.array([column, row + 0.18])
    axes.annotate(
        "", middle + half, middle - half, arrowprops={"arrowstyle": "->", "color": ink, "lw": 1.0}
    )


def _ticks(axes: Axes, found: LocalCalibration) -> None:
    """The values at which cells end."""
    pairs = zip((axes.xaxis, axes.yaxis), found.parameters, found.edges, strict=False)
    for axis, parameter, edges in pairs:
        axis.set_ticks(np.arange(len(edges)) - 0.5, [f"{edge:.3g}" for edge in edges])
        axis.set_label_text(symbol(parameter))
    if len(found.parameters) == 1:
        axes.set_yticks([])
    axes.tick_params(axis="x", rotation=40)
    axes.tick_params(length=2)
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT)


def _alt(found: LocalCalibration) -> str:
    known = found.z[found.count > 0]
    narrow, wide = int((known < -2).sum()), int((known > 2).sum())
    return (
        f"Local calibration of {found.estimator} over {' and '.join(found.parameters)}: of "
        f"{known.size} cells, {narrow} are too narrow and {wide} too wide by more than two "
        "standard errors."
    )
