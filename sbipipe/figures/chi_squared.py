"""Reduced chi-squared of the power of single fields, against true fields at the same theta.

As in figure 5 of Mudur, Cuesta-Lazaro & Finkbeiner (2023): true fields left out one by one,
generated ones in the place of the one left out, and all generated ones against all true ones.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sbipipe.emulation.judgement import ChiSquared
from sbipipe.figures.style import COLUMN, GENERATED, INK, Drawing, canvas, finish, head, plain
from sbipipe.interfaces import Array
from sbipipe.results.emulation import Emulation

TITLES = {
    "leave_one_out_true": "true, each against the {} others",
    "leave_one_out_generated": "generated, each against {} true",
    "generated": "generated, all against all {} true",
    "control": "true of other seeds, against {} true",
}
HALVES = "half of the true, against the other {}"


def draw(emulation: Emulation) -> Drawing:
    """One histogram below the other, with the mean (solid) and its Gaussian null (dashed)."""
    found = emulation.judgement.chi_squared.sets
    halved = emulation.judgement.control == "halves"
    values = np.concatenate([one.values for one in found.values()])
    edges = np.linspace(0, float(np.quantile(values, 0.99)) * 1.15, 31)
    with canvas(COLUMN, 5.2) as figure:
        panels = figure.subplots(len(found), 1, sharex=True)
        for axes, (key, one) in zip(panels, found.items(), strict=True):
            _histogram(axes, one, edges, GENERATED if "generated" in key else INK)
            words = HALVES if key == "control" and halved else TITLES[key]
            axes.set_title(words.format(one.references), fontsize=8.5, fontweight="normal", pad=3)
        panels[-1].set_xlabel(r"reduced $\chi^2$ of $P(k)$")
        figure.supylabel("share of fields", fontsize=9)
        legend = [
            Line2D([], [], color=INK, label="mean"),
            Line2D([], [], color=INK, ls=(0, (2, 1.5)), label="Gaussian null"),
        ]
        head(figure, f"{plain(emulation.name)}: power of single fields", legend)
        return finish(figure, f"chi_squared_{emulation.name}", _alt(emulation))


def _histogram(axes: Axes, one: ChiSquared, edges: Array, colour: str) -> None:
    clipped = np.clip(one.values, edges[0], edges[-1])
    weights = np.full(len(clipped), 1 / len(clipped))
    axes.hist(clipped, edges.tolist(), weights=weights, color=colour, alpha=0.35, lw=0)
    axes.axvline(one.mean, color=colour, lw=1.4)
    axes.axvline(one.null, color=INK, lw=1.2, ls=(0, (2, 1.5)))
    words = f"{one.mean:.2f} / {one.null:.2f} = {one.ratio:.2f} ± {one.ratio_se:.2f}"
    axes.text(0.98, 0.9, words, transform=axes.transAxes, ha="right", va="top", fontsize=8.5)
    axes.margins(x=0)


def _alt(emulation: Emulation) -> str:
    means = ", ".join(
        f"{key.replace('_', ' ')} {one.mean:.2f} where the Gaussian null is {one.null:.2f}"
        for key, one in emulation.judgement.chi_squared.sets.items()
    )
    return f"Histograms of the reduced chi-squared of the power of single fields; means: {means}."
