"""Statistics of generated fields over those of true ones at one theta, with their scatter.

Below the power spectrum and the pixel density stands z of every bin, for the generated fields and
for the control; its grey band holds 95 % of the values of a standard normal. Every other curve has
a panel of one figure more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from sbipipe.emulation.judgement import Band, EmulatedCurve, EmulatedExample
from sbipipe.figures.style import (
    BAND,
    COLUMN,
    FAINT,
    GENERATED,
    INK,
    Drawing,
    Scaled,
    canvas,
    finish,
    formula,
    head,
    plain,
    powers_of_ten,
    superscript,
    symbol,
)
from sbipipe.interfaces import Array
from sbipipe.results.emulation import Emulation

WITH_Z = ("power spectrum", "pixel density")
"""Curves with a figure of their own."""


def draw(emulation: Emulation, number: int) -> Iterator[Drawing]:
    """The figures of one theta."""
    example = emulation.judgement.examples[number]
    for curve in WITH_Z:
        yield _with_z(emulation, example, curve, number)
    if set(example.curves) - set(WITH_Z):
        yield _of_maps(emulation, example, number)


def draw_all(emulation: Emulation) -> Iterator[Drawing]:
    """Every figure; those of one statistic stand beside each other."""
    drawn = [tuple(draw(emulation, number)) for number in range(len(emulation.judgement.examples))]
    for beside in zip(*drawn, strict=True):
        yield from beside


def _with_z(emulation: Emulation, example: EmulatedExample, name: str, number: int) -> Drawing:
    curve = example.curves[name]
    with canvas(COLUMN, 3.9) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        _bands(upper, curve.x, curve.true, curve.generated)
        _z(lower, curve)
        upper.set_ylabel(superscript(curve.y_label).replace("P(k)", "$P(k)$"))
        if name == "power spectrum":
            _logarithmic(upper, curve)
        lower.set_xlabel(_x_label(curve))
        figure.align_ylabels([upper, lower])
        head(figure, _title(emulation, example, name), _legend(emulation))
        return finish(figure, f"emulated_{_file(name)}_{emulation.name}_{number}",
                      _alt(emulation, example, name))  # fmt: skip


def _logarithmic(axes: Axes, curve: EmulatedCurve) -> None:
    axes.set(xscale="log", yscale="log")
    low = min((band.mean - band.sd).clip(0.15 * band.mean).min() for band in _both(curve))
    high = max((band.mean + band.sd).max() for band in _both(curve))
    axes.set_ylim(0.8 * low, 1.3 * high)
    powers_of_ten(axes.xaxis)
    powers_of_ten(axes.yaxis, (1, 3))


def _both(curve: EmulatedCurve) -> tuple[Band, Band]:
    return curve.true, curve.generated


def _of_maps(emulation: Emulation, example: EmulatedExample, number: int) -> Drawing:
    """A panel for every other curve."""
    names = [name for name in example.curves if name not in WITH_Z]
    rows = -(-len(names) // 2)
    with canvas(COLUMN, 0.7 + 1.4 * rows) as figure:
        panels = figure.subplots(rows, 2, squeeze=False).flat
        for axes, name in zip(panels, names, strict=False):
            _panel(axes, example.curves[name])
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        head(figure, _title(emulation, example, "statistics of maps"), _legend(emulation)[:2])
        return finish(figure, f"emulated_maps_statistics_{emulation.name}_{number}",
                      _alt(emulation, example, *names))  # fmt: skip


def _panel(axes: Axes, curve: EmulatedCurve) -> None:
    if curve.ticks:
        _points(axes, curve)
    else:
        _bands(axes, curve.x, curve.true, curve.generated)
    axes.set_title(superscript(curve.y_label), fontsize=8.5, fontweight="normal", pad=3)
    axes.set_xlabel(_x_label(curve), fontsize=8)
    axes.tick_params(labelsize=7.5)
    if curve.ticks:
        axes.set_xticks(curve.x, curve.ticks)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(Scaled())
    axes.ticklabel_format(axis="y", scilimits=(-2, 4))
    axes.yaxis.offsetText.set_fontsize(7.5)


def _x_label(curve: EmulatedCurve) -> str:
    of_k = curve.x_label.startswith("k ")
    return f"$k$ {plain(curve.x_label[2:])}" if of_k else formula(curve.x_label)


def _bands(axes: Axes, x: Array, true: Band, generated: Band) -> None:
    """Means as lines, scatter of single fields as bands."""
    axes.fill_between(x, true.mean - true.sd, true.mean + true.sd, color=BAND, lw=0)
    axes.plot(x, true.mean, color=INK, lw=1.2)
    for edge in (generated.mean - generated.sd, generated.mean + generated.sd):
        axes.plot(x, edge, color=GENERATED, lw=0.7, ls=(0, (1.2, 1.2)))
    axes.plot(x, generated.mean, color=GENERATED, ls=(0, (5, 1.5)))
    axes.margins(x=0)


def _points(axes: Axes, curve: EmulatedCurve) -> None:
    """Means as markers, scatter of single fields as bars, where x only counts."""
    for band, x, colour, marker in (
        (curve.true, curve.x - 0.12, INK, "o"),
        (curve.generated, curve.x + 0.12, GENERATED, "s"),
    ):
        axes.errorbar(x, band.mean, band.sd, color=colour, marker=marker, ms=2.8, ls="", lw=1)
    axes.margins(x=0.08)


def _z(axes: Axes, curve: EmulatedCurve) -> None:
    axes.axhspan(-1.96, 1.96, color=BAND, lw=0, zorder=0)
    axes.axhline(0, color=FAINT, lw=0.8, zorder=1)
    axes.plot(curve.x, curve.z_control, color=FAINT, marker="o", ms=2.5, lw=0.8)
    axes.plot(curve.x, curve.z, color=GENERATED, marker="s", ms=2.8, lw=0.9, ls=(0, (5, 1.5)))
    reach = max(3.2, 1.08 * float(np.abs([curve.z, curve.z_control]).max()))
    axes.set(ylim=(-reach, reach), ylabel="$z$")


def _legend(emulation: Emulation) -> list[Any]:
    against = "true against true"
    return [
        Line2D([], [], color=INK, lw=1.2, label="true"),
        Line2D([], [], color=GENERATED, ls=(0, (5, 1.5)), marker="s", ms=2.8, label="generated"),
        Line2D([], [], color=FAINT, marker="o", ms=2.5, lw=0.8, label=against),
        Patch(color=BAND, label="scatter of true; 95 % of $z$"),
    ]


def _title(emulation: Emulation, example: EmulatedExample, name: str) -> str:
    values = zip(emulation.judgement.parameters[:2], example.theta.tolist(), strict=False)
    shown = ", ".join(f"{symbol(parameter)} {value:.2g}" for parameter, value in values)
    return f"{plain(emulation.name)}: {name}\nat {shown}"


def _file(name: str) -> str:
    return name.replace(" ", "_")


def _alt(emulation: Emulation, example: EmulatedExample, *names: str) -> str:
    values = zip(emulation.judgement.parameters, example.theta.tolist(), strict=True)
    theta = ", ".join(f"{parameter} {value:.3g}" for parameter, value in values)
    worst = max(float(np.abs(example.curves[name].z).max()) for name in names)
    return (
        f"{', '.join(names).capitalize()} of true fields and of those that {emulation.name} "
        f"generated at {theta}, with their scatter; largest |z| {worst:.1f}."
    )
