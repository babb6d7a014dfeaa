"""Correlation of P(k) between bins: of true fields, generated ones, and the control."""

from __future__ import annotations

from typing import Any

import numpy as np

from sbipipe.figures.style import COLUMN, Drawing, canvas, finish, head, plain
from sbipipe.results.emulation import Emulation


def draw(emulation: Emulation) -> Drawing:
    """Matrices on one scale, and how far the generated one is from the true one."""
    found = emulation.judgement.correlation
    halved = emulation.judgement.control == "halves"
    other = "half of the true" if halved else "true, other seeds"
    matrices = {
        "true": found.true,
        "generated": found.generated,
        other: found.control,
        "generated \N{MINUS SIGN} true": found.generated - found.true,
    }
    with canvas(COLUMN, 3.45) as figure:
        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for axes, (title, matrix) in zip(panels.flat, matrices.items(), strict=True):
            image = axes.imshow(matrix, origin="lower", cmap="RdBu_r", vmin=-1, vmax=1)
            axes.set_title(title, fontsize=8.5, fontweight="normal", pad=3)
            axes.spines[:].set_visible(False)
        _ticks(panels, found.k, f"$k$ [{plain(emulation.judgement.k_unit)}]")
        bar = figure.colorbar(image, ax=panels, shrink=0.8, pad=0.02)
        bar.set_label("correlation")
        bar.outline.set_visible(False)
        head(figure, f"{plain(emulation.name)}: correlation\nof $P(k)$ between bins")
        alt = (
            f"Correlation matrices of the power in {len(found.k)} bins of k of true fields, of "
            f"those that {emulation.name} generated, of the control, and the difference of the "
            "first two, on one scale from -1 to 1."
        )
        return finish(figure, f"correlations_{emulation.name}", alt, suffix="png")


def _ticks(panels: Any, k: Any, label: str) -> None:
    ticks = np.unique(np.rint(np.linspace(0, len(k) - 1, 4)).astype(int))
    words = [f"{k[i]:.2g}" for i in ticks]
    for axes in panels[-1]:
        axes.set_xticks(ticks, words)
        axes.set_xlabel(label)
    for axes in panels[:, 0]:
        axes.set_yticks(ticks, words)
        axes.set_ylabel(label)
