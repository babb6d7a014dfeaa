"""Learning curves of one entry: training and validation loss of each of its networks, and the score
that chose among its checkpoints where there was one."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D

from sbipipe.figures.style import INK, Drawing, Look, canvas, finish, head, looks, plain
from sbipipe.results.learning import Learning

PLAIN = Look(INK, "-", "o")
"""Of a network that belongs to no one estimator."""


def draw(learning: Learning, own: Look = PLAIN) -> Drawing:
    """Train dashed, valid solid; a marker at the epoch whose weights were kept.

    Args:
        own: The look of a network that is alone: that of its estimator, or ink.
    """
    networks = list(learning.curves)
    look = {networks[0]: own} if len(networks) == 1 else looks(networks)
    scored = any("score" in curve for curve in learning.curves.values())
    with canvas(height=4.6 if scored else 3.1) as figure:
        grid = figure.subplots(
            1 + scored, sharex=True, squeeze=False, height_ratios=(3, 2)[: 1 + scored]
        )
        axes, last = grid[0, 0], grid[-1, 0]
        for name, curve in learning.curves.items():
            colour, marker = look[name].colour, look[name].marker
            axes.plot(curve["epoch"], curve["train"], color=colour, lw=0.9, ls=(0, (2, 1.5)))
            axes.plot(
                curve["epoch"], curve["valid"], color=colour, label=plain(name),
                marker=marker, markevery=_kept(learning, name), ms=7, mec="white",
            )  # fmt: skip
            if "score" in curve:
                last.plot(
                    curve["epoch"], curve["score"], color=colour, marker=marker,
                    markevery=_kept(learning, name), ms=7, mec="white",
                )  # fmt: skip
        axes.set(ylabel="loss")
        if scored:
            last.set(ylabel="rms z of drawn power")
            last.axhline(1, color=INK, lw=0.6, ls=":")
        last.set(xlabel="epoch")
        last.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylim(_limits(learning))
        handles = [
            *axes.get_legend_handles_labels()[0],
            Line2D([], [], color=INK, lw=0.9, ls=(0, (2, 1.5)), label="train"),
            Line2D([], [], color=INK, label="valid"),
        ]
        head(figure, plain(learning.entry), handles, columns=3)
        return finish(figure, f"learning_{learning.entry}", _alt(learning))


def _kept(learning: Learning, name: str) -> list[int]:
    epochs = np.asarray(learning.curves[name]["epoch"])
    return np.flatnonzero(epochs == learning.chosen[name]).tolist()


def _limits(learning: Learning) -> tuple[float, float]:
    """All of the curves but the steepest beginning."""
    values = np.concatenate(
        [np.r_[curve["train"], curve["valid"]] for curve in learning.curves.values()]
    )
    low, high = float(values.min()), float(np.quantile(values, 0.97))
    pad = 0.06 * (high - low) or 1.0
    return low - pad, high + pad


def _alt(learning: Learning) -> str:
    kept = ", ".join(f"{name} at epoch {epoch}" for name, epoch in learning.chosen.items())
    return f"Training and validation loss of {learning.entry} by epoch; weights kept: {kept}."
