"""How spectra answer to one parameter: their ratio to the fiducial spectrum at equal noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from sbipipe.emulation.judgement import EmulatedResponse
from sbipipe.figures.style import (
    COLUMN,
    FAINT,
    INK,
    SEQUENTIAL,
    Drawing,
    canvas,
    finish,
    head,
    plain,
    powers_of_ten,
    symbol,
)
from sbipipe.interfaces import Array
from sbipipe.results.emulation import Emulation

BARS = 10
"""Bins, even in log k, whose scatter is drawn; of every second value of the parameter the same."""


def draw_all(emulation: Emulation) -> Iterator[Drawing]:
    """A figure for every parameter that is moved."""
    for parameter in emulation.judgement.response.parameters:
        yield draw(emulation, parameter)


def draw(emulation: Emulation, parameter: str) -> Drawing:
    """True ratios solid with their scatter, generated ones dashed."""
    k, response = _response(emulation, parameter)
    values = response.values
    room = 0.15 * (max(values) - min(values))  # the brightest colour would be lost on white
    colours = ScalarMappable(Normalize(min(values), max(values) + room), SEQUENTIAL)
    with canvas(COLUMN, 3.3) as figure:
        axes = figure.add_subplot()
        axes.axhline(1, color=FAINT, lw=0.8)
        for i, value in enumerate(values):
            _lines(axes, k, response, i, colours.to_rgba(np.array(value)))
        axes.set(xscale="log", xlabel=f"$k$ [{plain(emulation.judgement.k_unit)}]",
                 ylabel="$P(k)$ / fiducial $P(k)$")  # fmt: skip
        powers_of_ten(axes.xaxis)
        axes.margins(x=0)
        bar = figure.colorbar(colours, ax=axes, label=symbol(parameter), pad=0.02)
        bar.outline.set_visible(False)
        legend = [Line2D([], [], color=INK, ls=(0, (5, 1.5)), label="generated, ± scatter")]
        if response.true:
            legend.insert(0, Line2D([], [], color=INK, label="true, band of scatter"))
        title = f"{plain(emulation.name)}: response to {symbol(parameter)}"
        head(figure, title, legend)
        return finish(figure, f"response_{emulation.name}_{parameter}",
                      _alt(emulation, parameter))  # fmt: skip


def _response(emulation: Emulation, parameter: str) -> tuple[Array, EmulatedResponse]:
    found = emulation.judgement.response
    return found.k, found.parameters[parameter]


def _lines(axes: Any, k: Array, response: EmulatedResponse, i: int, colour: Any) -> None:
    generated = response.generated[i]
    if response.true:
        true = response.true[i]
        low, high = true.mean - true.sd, true.mean + true.sd
        axes.fill_between(k, low, high, color=colour, alpha=0.25, lw=0)
        axes.plot(k, true.mean, color=colour, lw=1.2)
    axes.plot(k, generated.mean, color=colour, ls=(0, (5, 1.5)))
    few = np.geomspace(k[0], k[-1], BARS)
    at = np.unique(np.searchsorted(k, few * 0.999)[i % 2 :: 2])
    axes.errorbar(k[at], generated.mean[at], generated.sd[at], color=colour, ls="", elinewidth=0.8)


def _alt(emulation: Emulation, parameter: str) -> str:
    _, response = _response(emulation, parameter)
    values = ", ".join(f"{value:.3g}" for value in response.values)
    true = " beside true ones" if response.true else ""
    return (
        f"Ratios of the spectra that {emulation.name} generated{true} to the fiducial one, where "
        f"{parameter} is {values} in place of {response.fiducial:.3g}."
    )
