"""True fields and generated ones side by side, at a few theta, on one scale."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sbipipe.figures.style import FAINT, SEQUENTIAL, Drawing, canvas, finish, formula, head, symbol
from sbipipe.interfaces import Array
from sbipipe.results.emulation import Emulation


def draw(emulation: Emulation) -> Drawing:
    """A row for each theta: true fields to the left, generated ones to the right."""
    judgement = emulation.judgement
    rows = [np.concatenate([one.true, one.generated]) for one in emulation.maps]
    columns = len(rows[0])
    low, high = np.quantile(np.stack(rows), [0.002, 0.998]).tolist()
    with canvas(4.6, 0.5 + 0.95 * len(rows)) as figure:
        panels: NDArray[Any] = figure.subplots(len(rows), columns, squeeze=False)
        for i, j in np.ndindex(len(rows), columns):
            axes = cast(Axes, panels[i, j])
            image = _panel(axes, rows[i][j], (low, high))
            if i == 0:
                axes.set_title(_sort(emulation, j), fontsize=8.5, fontweight="normal", pad=3)
        for axes, example in zip(panels[:, 0], judgement.examples, strict=True):
            axes.set_ylabel(_theta(emulation, example.theta), fontsize=8)
        head(figure, f"{emulation.name}: true and generated fields")
        if image is not None:
            bar = figure.colorbar(image, ax=panels, shrink=0.7, pad=0.02, extend="both")
            bar.set_label(formula(judgement.quantity))
            bar.outline.set_visible(False)
        alt = (
            f"{columns // 2} true and {columns // 2} generated fields at each of {len(rows)} theta "
            f"of {judgement.simulator}; {judgement.quantity} on one scale."
        )
        return finish(figure, f"emulated_maps_{emulation.name}", alt, suffix="png")


def _sort(emulation: Emulation, column: int) -> str:
    return "true" if column < len(emulation.maps[0].true) else "generated"


def _theta(emulation: Emulation, theta: Array) -> str:
    values = zip(emulation.judgement.parameters[:2], theta.tolist(), strict=False)
    return "\n".join(f"{symbol(name)} {value:.2g}" for name, value in values)


def _panel(axes: Axes, field: Array, limits: tuple[float, float]) -> Any:
    """An image, or a profile, which needs no colour bar."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if field.ndim == 1:
        axes.plot(field, color=FAINT, lw=0.8)
        axes.set_ylim(limits)
        return None
    return axes.imshow(
        field.T, origin="lower", cmap=SEQUENTIAL, vmin=limits[0], vmax=limits[1],
        interpolation="nearest",
    )  # fmt: skip
