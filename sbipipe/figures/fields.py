"""Example fields over the prior: what the simulator makes of its parameters."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sbipipe.figures.style import FAINT, SEQUENTIAL, Drawing, canvas, finish, formula, symbol
from sbipipe.results.simulations import ExampleFields

LONG = 14
"""Letters of a name and its value that leave no room for another beside it."""


def draw(examples: ExampleFields) -> Drawing:
    """A grid of fields with one colour scale; profiles where space has one dimension."""
    rows, columns = examples.fields.shape[:2]
    with canvas(4.4, 0.1 + 1.4 * rows) as figure:
        panels: NDArray[Any] = figure.subplots(rows, columns, squeeze=False)
        flat = examples.fields.ndim == 3
        limits = tuple(np.quantile(examples.fields, [0.002, 0.998]).tolist())
        for i, j in np.ndindex(rows, columns):
            axes = cast(Axes, panels[i, j])
            if flat:
                axes.plot(examples.fields[i, j], color=FAINT, lw=0.8)
                axes.set_ylim(limits)
            else:
                image = axes.imshow(
                    examples.fields[i, j].T, origin="lower", cmap=SEQUENTIAL, vmin=limits[0],
                    vmax=limits[1], interpolation="nearest",
                )  # fmt: skip
            _dress(axes, examples, i, j)
        if flat:
            figure.supylabel(formula(examples.quantity), fontsize=9)
        else:
            bar = figure.colorbar(image, ax=panels, shrink=0.7, pad=0.02, extend="both")
            bar.set_label(formula(examples.quantity))
            bar.outline.set_visible(False)
        return finish(figure, f"fields_{examples.simulator}", _alt(examples), suffix="png")


def _dress(axes: Axes, examples: ExampleFields, i: int, j: int) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    values = zip(examples.parameters, examples.theta[i, j], strict=True)
    words = [f"{symbol(name)} {value:.2g}" for name, value in list(values)[:2]]
    label = ("\n" if max(map(len, words)) > LONG else "   ").join(words)
    axes.set_title(label, fontsize=8, fontweight="normal", loc="center", pad=3)


def _alt(examples: ExampleFields) -> str:
    rows, columns = examples.fields.shape[:2]
    return (
        f"{rows * columns} example fields of {examples.simulator}, each labelled with its "
        f"parameters ({', '.join(examples.parameters[:2])}); {examples.quantity} on one scale."
    )
