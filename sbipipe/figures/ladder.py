"""The information ladder: how many nats each posterior is behind the top one, and by what.

Losses grow to the right, from the exact posterior at zero down to the prior. Grey is lost by what
an estimator reads, its colour by itself. The scale is linear up to a tenth of a nat and logarithmic
beyond, since losses between estimators are small beside what all of them know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sbipipe.figures.style import (
    COLUMN,
    FAINT,
    INK,
    Drawing,
    Look,
    canvas,
    finish,
    head,
    plain,
)
from sbipipe.gate.verdict import Estimate
from sbipipe.results.ladder import ERRORS, Ladder, Rung

LINEAR = 0.1
"""Nats up to which the scale is linear."""

TICKS = (0.0, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

ROW = 0.34
"""The height of a rung in inches."""


def draw(ladder: Ladder, looks: Mapping[str, Look]) -> Drawing:
    """One rung below the other, the prior last."""
    with canvas(COLUMN, 1.5 + ROW * (len(ladder.rungs) + 1)) as figure:
        axes = figure.add_subplot()
        for place, rung in enumerate(ladder.rungs):
            _rung(axes, place, rung, looks[rung.name])
        prior = ladder.top.gain
        if math.isfinite(prior.mean):
            _point(axes, len(ladder.rungs), prior, INK, "s")
        _label(axes, len(ladder.rungs), "prior")
        _scale(axes, ladder)
        last = "exact posterior" if ladder.exact else "most nats here"
        handles = [
            Line2D([], [], color=INK, lw=1.0, ls=(0, (3, 1.5)), label=last),
            Patch(color=FAINT, label="lost by what it reads"),
            Patch(color=looks[ladder.rungs[-1].name].colour, label="lost by itself (own colour)"),
        ]
        head(figure, f"Information of {plain(ladder.simulator)}", handles, columns=2)
        return finish(figure, f"ladder_{ladder.simulator}", _alt(ladder))


def _rung(axes: Axes, place: int, rung: Rung, look: Look) -> None:
    held = "" if rung.published else "  ✗ withheld"
    _label(axes, place, f"{plain(rung.name)}, of {plain(rung.reads)}{held}")
    by_set = rung.by_set.mean if rung.by_set else 0.0
    behind = rung.behind.mean if rung.behind else 0.0
    if math.isfinite(by_set):
        axes.barh(place, by_set, height=0.2, color=FAINT, lw=0)
    if math.isfinite(behind) and math.isfinite(by_set):
        axes.barh(place, behind - by_set, height=0.2, left=by_set, color=look.colour, lw=0)
    if rung.behind is None:
        axes.plot(0.0, place, look.marker, ms=5, color=look.colour)
    elif math.isfinite(behind):
        _point(axes, place, rung.behind, look.colour, look.marker)
    else:
        axes.text(
            0.99, place, f"infinite for {rung.behind.infinite}", fontsize=8, ha="right",
            va="center", transform=axes.get_yaxis_transform(),
        )  # fmt: skip


def _point(axes: Axes, place: int, lost: Estimate, colour: str, marker: str) -> None:
    axes.errorbar(
        lost.mean, place, xerr=ERRORS * lost.se, fmt=marker, ms=5, color=colour, ecolor=INK,
        elinewidth=1.0, capsize=2,
    )  # fmt: skip


def _label(axes: Axes, place: int, words: str) -> None:
    """Above its bar, from where losses begin."""
    axes.annotate(
        words, (0, place - 0.3), (3, 0), textcoords="offset points", fontsize=8, va="center"
    )


def _scale(axes: Axes, ladder: Ladder) -> None:
    found = [one for one in (ladder.top.gain, *(r.behind for r in ladder.rungs)) if one]
    ends = [one.mean + sign * ERRORS * one.se for one in found for sign in (-1, 1)]
    finite = [end for end in ends if math.isfinite(end)]
    axes.set_xscale("symlog", linthresh=LINEAR)
    low, high = min([-0.01, *finite]), max([LINEAR, *finite])
    axes.set_xlim(1.05 * low, 1.25 * high)
    shown = [tick for tick in TICKS if tick <= 1.25 * high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown], minor=False)
    axes.set_xticks([], minor=True)
    axes.axvline(0, color=INK, lw=1.0, ls=(0, (3, 1.5)))
    axes.set_ylim(len(ladder.rungs) + 0.45, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(
        f"nats behind {plain(ladder.top.name)}\n(linear to {LINEAR:g}, logarithmic beyond)"
    )


def _alt(ladder: Ladder) -> str:
    found = ", ".join(
        f"{rung.name} {rung.behind.mean:.2f}" for rung in ladder.rungs if rung.behind is not None
    )
    words = f"The top rung, {ladder.top.name}, gains {ladder.top.gain.mean:.2f} nats over the prior"
    return f"Information ladder of {ladder.simulator}. {words}. Nats behind it: {found or 'none'}."
