"""The posteriors of all estimators for one test simulation, over each other, with the truth.

Thick lines hold 68 % of the probability, thin ones 95 %. Where there are more than two estimators,
all but two are drawn with their 68 % alone, so that a corner can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from sbipipe.figures.densities import CONTENTS, Density, density
from sbipipe.figures.style import INK, Drawing, Look, canvas, finish, head, name_axes, plain
from sbipipe.interfaces import Array
from sbipipe.results.posteriors import Example

LARGEST = 4
"""Parameters in a corner plot; where there are more, the first of those that are no nuisance."""

FILLED = 2
"""Estimators whose regions are filled."""

_SIZES = {1: 3.6, 2: 3.6, 3: 4.6, 4: 5.6}


def draw(example: Example, looks: Mapping[str, Look], first: Sequence[str] = ()) -> Drawing:
    """Marginals on the diagonal, pairs below it.

    Args:
        first: The estimators that matter most; of them, and the others in their order, the first
            `FILLED` are filled.
    """
    columns = _columns(example)
    d = len(columns)
    with canvas(_SIZES[d], 2.8 if d == 1 else _SIZES[d]) as figure:
        panels = figure.subplots(d, d, squeeze=False)
        limits = [_limits(example, column) for column in columns]
        filled = sorted(example.draws, key=lambda name: name not in first)[:FILLED]
        for name, draws in example.draws.items():
            _estimator(panels, example, draws, looks[name], filled=name in filled)
        _dress(panels, example, limits)
        _legend(figure, panels, example, looks)
        return finish(figure, f"posterior_{example.simulator}_{example.number}", _alt(example))


def _columns(example: Example) -> list[int]:
    """The places of the parameters that are shown."""
    return [example.parameters.index(name) for name in example.prior.shown[:LARGEST]]


def _estimator(
    panels: NDArray[Any], example: Example, draws: Array, look: Look, *, filled: bool
) -> None:
    columns = _columns(example)
    for i, row in enumerate(columns):
        marginal = density(draws, example.prior, [row])
        panels[i, i].plot(marginal.axes[0], marginal.normalised, color=look.colour, ls=look.line)
        for j, column in enumerate(columns[:i]):
            _contours(panels[i, j], density(draws, example.prior, [column, row]), look, filled)


def _contours(axes: Axes, pair: Density, look: Look, filled: bool) -> None:
    outer, inner = (pair.threshold(content) for content in CONTENTS)
    top = float(pair.values.max())
    if not outer < inner < top:
        return
    if filled:
        axes.contourf(*pair.axes, pair.values.T, [inner, top], colors=[look.colour], alpha=0.14)
    levels, widths = ([outer, inner], [0.8, 1.6]) if filled else ([inner], [1.1])
    axes.contour(
        *pair.axes, pair.values.T, levels, colors=[look.colour],
        linestyles=[look.line], linewidths=widths,
    )  # fmt: skip


def _limits(example: Example, column: int) -> tuple[float, float]:
    """All but the outermost draws, and the truth, but nothing beyond the prior."""
    draws = np.concatenate([d[:, column] for d in example.draws.values()])
    low, high = np.quantile(draws, [0.002, 0.998])
    low, high = min(low, example.truth[column]), max(high, example.truth[column])
    pad = 0.08 * (high - low) or 1e-6
    bottom, top = example.prior.bounds[column]
    return max(low - pad, bottom), min(high + pad, top)


def _dress(panels: NDArray[Any], example: Example, limits: list[tuple[float, float]]) -> None:
    d, columns = len(panels), _columns(example)
    truth, names = example.truth[columns], [example.parameters[i] for i in columns]
    for i, j in np.ndindex(d, d):
        axes = cast(Axes, panels[i, j])
        if j > i:
            axes.set_axis_off()
            continue
        axes.set_xlim(limits[j])
        axes.axvline(float(truth[j]), color=INK, lw=0.7, ls=":")
        axes.locator_params(axis="x", nbins=3)
        axes.locator_params(axis="y", nbins=4)
        if i == j:
            axes.set(ylim=(0, None), yticks=[])
            axes.spines["left"].set_visible(False)
        else:
            axes.set_ylim(limits[i])
            axes.axhline(float(truth[i]), color=INK, lw=0.7, ls=":")
            axes.plot(truth[j], truth[i], "+", color=INK, ms=9, mew=1.6, zorder=9)
        name_axes(axes, names, i, j)


def _legend(
    figure: Figure, panels: NDArray[Any], example: Example, looks: Mapping[str, Look]
) -> None:
    handles = [
        Line2D([], [], color=looks[name].colour, ls=looks[name].line, label=plain(name))
        for name in example.draws
    ]
    handles.append(Line2D([], [], color=INK, marker="+", ls=":", lw=0.7, ms=9, label="truth"))
    title = f"test simulation {example.number}"
    if len(panels) <= 2:
        head(figure, title, handles, columns=3)
    else:
        panels[0, -1].legend(
            handles=handles, title=title, loc="upper right", borderaxespad=0, title_fontsize=9
        ).set_in_layout(False)


def _alt(example: Example) -> str:
    truth = ", ".join(
        f"{name} = {value:.3g}"
        for name, value in zip(example.parameters, example.truth, strict=True)
    )
    names = ", ".join(example.draws)
    return (
        f"Posteriors of {names} for test simulation {example.number}: marginal densities and "
        f"regions of 68 and 95 %, around the truth {truth}."
    )
