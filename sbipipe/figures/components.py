"""The components of a vector against the parameters: what of theta a summary, or the data, hold.

A component with heavy tails, whose farthest values lie many times its quartiles' distance out, has
an axis that is linear about zero and logarithmic beyond (asinh), and says so.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import AsinhLocator

from sbipipe.figures.style import INK, Drawing, canvas, finish, plain, symbol
from sbipipe.interfaces import Array
from sbipipe.results.simulations import Components

HEAVY = 12.0
"""The range over the distance of the quartiles, beyond which an axis is bent; that of 100 normal
numbers is about 4."""

SMALL = 0.1
"""The share of values that lie where a bent axis is linear."""

PANEL = 1.4
"""The height of a panel with its name, in inches."""


def draw(components: Components, parameter: str) -> Drawing:
    """One panel for each component, against one parameter."""
    column = components.parameters.index(parameter)
    count = len(components.names)
    with canvas(height=0.7 + PANEL * count) as figure:
        panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        for i, (axes, name) in enumerate(zip(panels, components.names, strict=True)):
            values = components.x[:, i]
            axes.plot(components.theta[:, column], values, "o", ms=3, alpha=0.45, color=INK, mew=0)
            scale(axes, values, plain(name))
        panels[-1].set_xlabel(symbol(parameter))
        alt = (
            f"Components {', '.join(components.names)} of {components.set} against {parameter} for "
            f"{len(components.x)} simulations."
        )
        name = f"components_{components.set}_{parameter}"
        return finish(figure, name, alt, suffix="png")


def scale(axes: Axes, values: Array, name: str) -> None:
    """The name above the panel, where long ones have room, and the axis that suits the values."""
    low, high = np.quantile(values, [0.25, 0.75])
    bent = high > low and np.ptp(values) > HEAVY * (high - low)
    if bent:
        size = np.abs(values)
        width = float(np.quantile(size[size > 0], SMALL))
        axes.set_yscale("asinh", linear_width=width)
        axes.yaxis.set_major_locator(AsinhLocator(width, numticks=5))
    else:
        axes.locator_params(axis="y", nbins=4)
    axes.set_title(
        f"{name} (bent axis: asinh)" if bent else name, fontsize=8.5, fontweight="normal"
    )
