"""The curve of one test, for all estimators, with the bands that chance stays inside.

Nothing here knows which diagnostic it draws: a new one appears by itself. A curve that is drawn
around a sloping ideal is drawn a second time below as its distance from it, where small
departures show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sbipipe.figures.style import (
    BAND,
    COLUMN,
    FAINT,
    Drawing,
    Look,
    canvas,
    finish,
    head,
    plain,
    symbol,
)
from sbipipe.gate.verdict import Test
from sbipipe.interfaces import Array
from sbipipe.results.tests import TestCurves

TICKS = 36
"""Letters for which there is room below a panel."""


def draw(curves: TestCurves, looks: Mapping[str, Look]) -> Drawing:
    """One panel, with a panel of differences below where the ideal is not flat."""
    sloping = any(np.ptp(result.curve.ideal) > 0 for result in curves.results.values())
    with canvas(COLUMN, 4.0 if sloping else 3.2) as figure:
        axes = _panels(figure, curves, looks, sloping)
        head(figure, title(curves), axes.get_legend_handles_labels()[0])
        return finish(figure, f"calibration_{curves.key}", _alt(curves))


def title(curves: TestCurves) -> str:
    """The test's name in words."""
    if curves.test in {curves.diagnostic, "hpd"}:
        return plain(curves.diagnostic)
    return f"{plain(curves.diagnostic)}: {symbol(curves.test)}"


def _panels(figure: Figure, curves: TestCurves, looks: Mapping[str, Look], sloping: bool) -> Axes:
    first = next(iter(curves.results.values())).curve
    if not sloping:
        axes = figure.add_subplot()
        _lines(axes, curves, looks, dict.fromkeys(curves.results, 0.0))
        axes.set(xlabel=_wrapped(first.x_label), ylabel=_wrapped(first.y_label))
        if first.ticks:
            _ticks(axes, first.ticks)
        return axes
    upper: Axes
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    _lines(upper, curves, looks, dict.fromkeys(curves.results, 0.0))
    ideals = {name: np.array(result.curve.ideal) for name, result in curves.results.items()}
    _lines(lower, curves, looks, ideals)
    upper.set_ylabel(_wrapped(first.y_label))
    lower.set(xlabel=_wrapped(first.x_label), ylabel="minus ideal")
    figure.align_ylabels([upper, lower])
    return upper


def _ticks(axes: Axes, names: Sequence[str]) -> None:
    """A name for each step, turned where they have no room beside each other."""
    turned = sum(len(name) + 2 for name in names) > TICKS
    axes.set_xticks(
        np.arange(1, len(names) + 1),
        [symbol(name) for name in names],
        rotation=40 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor",
    )
    axes.tick_params(axis="x", length=0)


def _lines(
    axes: Axes,
    curves: TestCurves,
    looks: Mapping[str, Look],
    ideals: Mapping[str, float | Array],
) -> None:
    drawn: set[bytes] = set()
    for name, result in curves.results.items():
        curve, look = result.curve, looks[name]
        lower, upper, level, y = (
            np.subtract(line, ideals[name])
            for line in (curve.lower, curve.upper, curve.ideal, curve.y)
        )
        band = np.stack([curve.x, curve.lower, curve.upper]).round(9).tobytes()
        if band not in drawn:
            drawn.add(band)
            axes.fill_between(curve.x, lower, upper, color=BAND, lw=0, zorder=1)
            axes.plot(curve.x, level, color=FAINT, lw=0.8, zorder=2)
        axes.plot(curve.x, y, color=look.colour, ls=look.line, zorder=3, label=_label(name, result))
    axes.margins(x=0)


def _label(name: str, result: Test) -> str:
    p = result.p_adjusted
    shown = f"{p:.2g}" if p >= 0.001 else f"{p:.0e}".replace("e-0", "e-")
    return f"{plain(name)}  p = {shown}{'' if result.passed else '  ✗'}"


def _wrapped(label: str) -> str:
    """A long label on two lines."""
    words, half = label.split(), len(label) / 2
    if len(label) < 38:
        return plain(label)
    lengths = np.cumsum([len(word) + 1 for word in words])
    cut = int(np.argmin(np.abs(lengths - half))) + 1
    return plain(" ".join(words[:cut]) + "\n" + " ".join(words[cut:]))


def _alt(curves: TestCurves) -> str:
    found = (
        f"{name} {'inside' if result.passed else 'rejected'} (adjusted p {result.p_adjusted:.2g})"
        for name, result in curves.results.items()
    )
    return f"Curve of the test {curves.key} with its simultaneous band: {', '.join(found)}."
