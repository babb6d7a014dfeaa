"""How well a classifier tells the draws of two estimators apart (C2ST), for every pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sbipipe.figures.style import ON_DARK, ON_PALE, Drawing, canvas, finish, plain
from sbipipe.posteriors.comparison import Pair

LETTERS = 20
"""In all names together, beyond which they stand upright under their columns."""


def draw(pairs: Sequence[Pair]) -> Drawing:
    """A heat map: 0.5 where two posteriors cannot be told apart, 1 where they never agree."""
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.a, pair.b)))
    table = np.full((len(names), len(names)), np.nan)
    for pair in pairs:
        i, j = names.index(pair.a), names.index(pair.b)
        table[i, j] = table[j, i] = pair.c2st
    with canvas(height=2.4 + 0.4 * len(names)) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(table, cmap="Blues", vmin=0.5, vmax=1)
        labels = [plain(name) for name in names]
        upright = sum(map(len, names)) > LETTERS
        axes.set_xticks(range(len(names)), labels, rotation=90 if upright else 0)
        axes.set_yticks(range(len(names)), labels)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for i, j in np.argwhere(np.isfinite(table)):
            ink = ON_DARK if table[i, j] > 0.75 else ON_PALE
            axes.text(j, i, f"{table[i, j]:.2f}", ha="center", va="center", color=ink, fontsize=8)
        figure.colorbar(image, ax=axes, label="C2ST accuracy", location="top", shrink=0.85)
        known = [pair for pair in pairs if np.isfinite(pair.c2st)]
        found = ", ".join(f"{pair.a} and {pair.b} {pair.c2st:.2f}" for pair in known)
        return finish(figure, "c2st", f"Heat map of the C2ST accuracy of each pair: {found}.")
