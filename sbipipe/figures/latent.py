"""The latent space of a generator: paths through it, power over a plane of it, its metric, and how
its fields bend."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.patheffects import withStroke

from sbipipe.figures.style import (
    COLUMN,
    FAINT,
    SEQUENTIAL,
    Drawing,
    canvas,
    finish,
    formula,
    head,
    looks,
    plain,
)
from sbipipe.interfaces import Array
from sbipipe.latent.portrait import SHOWN, STEPS, Portrait

EVERY = STEPS // 8
"""Points of a path from one marker to the next."""

TICKS = (-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100)
"""Of Delta P, as far as it reaches."""


def strip(portrait: Portrait) -> Drawing:
    """Fields of two dimensions along each path, a row for each, on one scale."""
    every = np.stack([path.fields for path in portrait.paths.values()])
    low, high = np.quantile(every, [0.002, 0.998]).tolist()
    with canvas(7.2, 3.2) as figure:
        panels = figure.subplots(len(every), SHOWN, squeeze=False)
        for (i, j), axes in np.ndenumerate(panels):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            image = axes.imshow(
                every[i, j].T, origin="lower", cmap=SEQUENTIAL, vmin=low, vmax=high,
                interpolation="nearest",
            )  # fmt: skip
        for axes, name in zip(panels[:, 0], portrait.paths, strict=True):
            axes.set_ylabel(name)
        for axes, t in zip(panels[-1], np.linspace(0, 1, SHOWN), strict=True):
            axes.set_xlabel(f"{t:.2g}")
        bar = figure.colorbar(image, ax=panels, shrink=0.7, pad=0.02, extend="both")
        bar.set_label(formula(portrait.data.quantity))
        bar.outline.set_visible(False)
        head(figure, f"{_title(portrait)}: fields along three paths")
        alt = (
            f"{SHOWN} fields on each of three paths from one field of {portrait.emulator} to "
            f"another: {', '.join(portrait.paths)}; {portrait.data.quantity} on one scale."
        )
        return finish(figure, f"latent_strip_{portrait.emulator}", alt)


def plane(portrait: Portrait) -> Drawing:
    """Delta P over the plane, with the paths."""
    reach = max(1.5, float(np.abs(portrait.change).max()))
    with canvas(COLUMN, 3.9) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(
            portrait.change.T, origin="lower", cmap="RdBu_r", interpolation="nearest",
            norm=SymLogNorm(1.0, vmin=-reach, vmax=reach), extent=_extent(portrait.axis),
        )  # fmt: skip
        lines = []
        for name, look in looks(list(portrait.paths)).items():
            a, b = portrait.paths[name].place.T
            lines += axes.plot(
                a, b, color=look.colour, ls=look.line, marker=look.marker, markevery=EVERY, ms=4,
                label=name, path_effects=[withStroke(linewidth=3.2, foreground="#ffffff")],
            )  # fmt: skip
        axes.set(xlabel="$a$, share of the first latent vector", ylabel="$b$, of the second")
        ticks = [tick for tick in TICKS if abs(tick) <= reach]
        bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02, ticks=ticks, format="%d")
        bar.minorticks_off()
        bar.set_label(r"$\Delta P = \sum_k \log_{10} P(k) / P_1(k)$")
        bar.outline.set_visible(False)
        head(figure, f"{_title(portrait)}:\npower over the plane of two latent vectors", lines, 3)
        alt = (
            f"Sum over k of the logarithm of the power over that of the first field, from "
            f"{portrait.change.min():.1f} to {portrait.change.max():.1f}, where latent vectors are "
            "a times one plus b times another; three paths from (1, 0) to (0, 1)."
        )
        return finish(figure, f"latent_plane_{portrait.emulator}", alt)


def along(portrait: Portrait) -> Drawing:
    """How fast the field moves along each path, and how the surface bends there."""
    curved = all(path.curvature is not None for path in portrait.paths.values())
    with canvas(COLUMN, 3.9 if curved else 2.8) as figure:
        panels: Any = figure.subplots(1 + curved, 1, sharex=True, squeeze=False)[:, 0]
        t = np.linspace(0, 1, STEPS + 1)
        for name, look in looks(list(portrait.paths)).items():
            path = portrait.paths[name]
            style: Any = {"color": look.colour, "ls": look.line, "marker": look.marker, "ms": 3.5}
            panels[0].plot((t[1:] + t[:-1]) / 2, path.speed, label=name, markevery=EVERY, **style)
            if path.curvature is not None:
                bent = path.curvature * portrait.apart**2
                panels[1].plot(t, bent, markevery=EVERY, **style)
        panels[0].set(ylabel="speed / mean")
        if curved:
            panels[1].axhline(0, color=FAINT, lw=0.8, zorder=0)
            panels[1].set(ylabel=r"curvature $K d^2$")
        panels[-1].set(xlabel="share of the path, $t$")
        figure.align_ylabels(panels)
        handles = panels[0].get_legend_handles_labels()[0]
        head(figure, f"{_title(portrait)}:\nhow fields change along three paths", handles, 3)
        what = " and the Gaussian curvature of the plane's image" if curved else ""
        alt = f"How far the field moves in each step{what} along {', '.join(portrait.paths)} paths."
        return finish(figure, f"latent_along_{portrait.emulator}", alt)


def metric(portrait: Portrait) -> Drawing:
    """The eigenvalues of the metric at three places."""
    with canvas(COLUMN, 3.4) as figure:
        axes: Axes = figure.add_subplot()
        for where, look in looks(list(portrait.eigenvalues)).items():
            values = portrait.eigenvalues[where]
            rank = np.arange(1, len(values) + 1)
            marks = np.unique(np.geomspace(1, len(values), 6).astype(int) - 1).tolist()
            axes.plot(
                rank, values, color=look.colour, ls=look.line, marker=look.marker, ms=4,
                markevery=marks, label=where,
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="rank", ylabel="eigenvalue of $J^T J$")
        handles = axes.get_legend_handles_labels()[0]
        head(figure, f"{_title(portrait)}:\nspectrum of the metric", handles, 2)
        largest = (f"{where} from {x[0]:.3g}" for where, x in portrait.eigenvalues.items())
        alt = (
            f"Eigenvalues of the metric of {portrait.latents} latents at three places, falling: "
            f"{', '.join(largest)}."
        )
        return finish(figure, f"latent_metric_{portrait.emulator}", alt)


def _title(portrait: Portrait) -> str:
    return plain(portrait.emulator)


def _extent(axis: Array) -> tuple[float, float, float, float]:
    half = (axis[1] - axis[0]) / 2
    low, high = float(axis[0] - half), float(axis[-1] + half)
    return low, high, low, high
