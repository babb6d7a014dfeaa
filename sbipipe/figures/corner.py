"""What figures of pairs of parameters share: normalised marginals, and the names on the axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from sbipipe.figures.densities import Density
from sbipipe.figures.style import symbol
from sbipipe.interfaces import Array

CONTENTS = (0.95, 0.68)
"""The probability inside the outer and the inner line."""


def normalised(marginal: Density) -> Array:
    """The values of a marginal whose integral is one."""
    return np.asarray(marginal.values / np.trapezoid(marginal.values, marginal.axes[0]))


def name_axes(axes: Axes, parameters: Sequence[str], i: int, j: int) -> None:
    """Names and numbers at the left and lower edges of the corner of all parameters alone.

    Args:
        i, j: The row and the column of the panel.
    """
    if i == len(parameters) - 1:
        axes.set_xlabel(symbol(parameters[j]))
    else:
        axes.tick_params(labelbottom=False)
    if j == 0 and i > 0:
        axes.set_ylabel(symbol(parameters[i]))
    elif i != j:
        axes.tick_params(labelleft=False)


__all__ = ["CONTENTS", "name_axes", "normalised"]
