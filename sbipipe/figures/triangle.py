"""The posteriors of one observation over each other and over the prior, in pairs of parameters.

Thick lines hold 68 % of the probability, thin ones 95 %; the prior is the grey area on the
diagonal. Axes end where the draws end, or where the prior does. Parameters that are a nuisance are
marginalised over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sbipipe.figures.densities import CONTENTS, Density, density
from sbipipe.figures.style import BAND, INK, Drawing, Look, canvas, finish, head, name_axes, plain
from sbipipe.interfaces import Array
from sbipipe.protocols import Prior

LARGEST = 8
"""Parameters that are shown; where there are more, the first of those that are no nuisance."""

FILLED = 2
"""Posteriors whose regions are filled; those of the others are lines."""

PANEL, MARGIN, SMALLEST = 1.6, 0.8, 5.4
"""The side of a panel, what labels take beside all of them, and the least width, in inches."""

PRIOR_DRAWS = 4000


@dataclass(frozen=True, kw_only=True)
class Overlaid:
    """The posteriors of one observation.

    Attributes:
        draws: The draws of each estimator, with shape (n, D), by name.
        prior: The prior of the D parameters.
        truth: The true parameters, with shape (D,), where they are known.
        marked: What the legend says of an estimator beside its name, by name.
    """

    draws: Mapping[str, Array]
    prior: Prior
    truth: Array | None = None
    marked: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that are shown."""
        return self.prior.shown[:LARGEST]

    @property
    def columns(self) -> list[int]:
        """Their places among all parameters."""
        return [self.prior.names.index(name) for name in self.parameters]


def draw(found: Overlaid, looks: Mapping[str, Look], name: str, title: str) -> Drawing:
    """Marginals on the diagonal, pairs below it.

    Args:
        looks: The look of each estimator.
        name: Of the file, without suffix.
        title: Above the legend.
    """
    d = len(found.parameters)
    side = max(SMALLEST, PANEL * d + MARGIN)
    with canvas(side, 3.2 if d == 1 else side) as figure:
        panels = figure.subplots(d, d, squeeze=False)
        _prior(panels, found)
        for place, estimator in enumerate(found.draws):
            _estimator(panels, found, estimator, looks[estimator], filled=place < FILLED)
        _dress(panels, found)
        _legend(figure, panels, found, looks, title)
        return finish(figure, name, _alt(found, title))


def _prior(panels: NDArray[Any], found: Overlaid) -> None:
    draws = found.prior.sample(PRIOR_DRAWS, np.random.default_rng(0))
    for i, column in enumerate(found.columns):
        marginal = density(draws, found.prior, [column])
        panels[i, i].fill_between(marginal.axes[0], marginal.normalised, color=BAND, lw=0)


def _estimator(
    panels: NDArray[Any], found: Overlaid, estimator: str, look: Look, *, filled: bool
) -> None:
    draws, prior = found.draws[estimator], found.prior
    for i, row in enumerate(found.columns):
        marginal = density(draws, prior, [row])
        panels[i, i].plot(marginal.axes[0], marginal.normalised, color=look.colour, ls=look.line)
        for j, column in enumerate(found.columns[:i]):
            _contours(panels[i, j], density(draws, prior, [column, row]), look, filled=filled)


def _contours(axes: Axes, pair: Density, look: Look, *, filled: bool) -> None:
    outer, inner = (pair.threshold(content) for content in CONTENTS)
    top = float(pair.values.max())
    if not outer < inner < top:
        return
    if filled:
        levels, shades = [outer, inner, top], [(look.colour, 0.12), (look.colour, 0.25)]
        axes.contourf(*pair.axes, pair.values.T, levels, colors=shades)
    axes.contour(
        *pair.axes, pair.values.T, [outer, inner], colors=[look.colour],
        linestyles=[look.line], linewidths=[0.8, 1.6],
    )  # fmt: skip


def _limits(found: Overlaid, column: int) -> tuple[float, float]:
    """All but the outermost draws, and the truth, but nothing beyond the prior."""
    draws = np.concatenate([one[:, column] for one in found.draws.values()])
    low, high = np.quantile(draws, [0.002, 0.998])
    if found.truth is not None:
        low, high = min(low, found.truth[column]), max(high, found.truth[column])
    pad = 0.08 * (high - low) or 1e-6
    bottom, top = found.prior.bounds[column]
    return max(low - pad, min(bottom, low)), min(high + pad, max(top, high))


def _dress(panels: NDArray[Any], found: Overlaid) -> None:
    d = len(panels)
    limits = [_limits(found, column) for column in found.columns]
    for i, j in np.ndindex(d, d):
        axes = cast(Axes, panels[i, j])
        if j > i:
            axes.set_axis_off()
            continue
        axes.set_xlim(limits[j])
        axes.locator_params(nbins=4)
        axes.tick_params(axis="x", rotation=40 if d > 2 else 0)
        if i == j:
            axes.set(ylim=(0, None), yticks=[])
            axes.spines["left"].set_visible(False)
        else:
            axes.set_ylim(limits[i])
        if found.truth is not None:
            _mark(axes, found.truth[found.columns], i, j)
        name_axes(axes, found.parameters, i, j)


def _mark(axes: Axes, truth: Array, i: int, j: int) -> None:
    axes.axvline(float(truth[j]), color=INK, lw=0.7, ls=":")
    if i != j:
        axes.axhline(float(truth[i]), color=INK, lw=0.7, ls=":")
        axes.plot(truth[j], truth[i], "+", color=INK, ms=9, mew=1.6, zorder=9)


def _legend(
    figure: Figure, panels: NDArray[Any], found: Overlaid, looks: Mapping[str, Look], title: str
) -> None:
    handles: list[Any] = [
        Line2D([], [], color=looks[name].colour, ls=looks[name].line, label=_called(found, name))
        for name in found.draws
    ]
    handles.append(Patch(color=BAND, lw=0, label="prior"))
    if found.truth is not None:
        handles.append(Line2D([], [], color=INK, marker="+", ls=":", lw=0.7, ms=9, label="truth"))
    if len(panels) <= 2:
        head(figure, plain(title), handles, columns=3)
        return
    panels[0, -1].legend(
        handles=handles, title=plain(title), loc="upper right", borderaxespad=0, title_fontsize=9
    ).set_in_layout(False)


def _called(found: Overlaid, name: str) -> str:
    marked = found.marked.get(name)
    return plain(f"{name}, {marked}" if marked else name)


def _alt(found: Overlaid, title: str) -> str:
    medians = "; ".join(
        f"{name} has its median at "
        + ", ".join(
            f"{parameter} = {value:.3g}"
            for parameter, value in zip(
                found.parameters, np.median(draws[:, found.columns], 0), strict=True
            )
        )
        for name, draws in found.draws.items()
    )
    return f"Posteriors, {title}, with regions of 68 and 95 % over the prior: {medians}."


__all__ = ["Overlaid", "draw"]
