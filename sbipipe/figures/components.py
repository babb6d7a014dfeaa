"""The components of a vector against the parameters: what of theta a summary, or the data, hold."""

from __future__ import annotations

from sbipipe.figures.style import Drawing, canvas, finish, plain, symbol
from sbipipe.results.simulations import Components


def draw(components: Components, parameter: str) -> Drawing:
    """One panel for each component, against one parameter."""
    column = components.parameters.index(parameter)
    count = len(components.names)
    with canvas(height=0.7 + 1.25 * count) as figure:
        panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        for i, (axes, name) in enumerate(zip(panels, components.names, strict=True)):
            axes.plot(
                components.theta[:, column], components.x[:, i], "o", ms=3, alpha=0.6,
                color="#0072B2", mew=0,
            )  # fmt: skip
            axes.set_ylabel(plain(name))
            axes.locator_params(axis="y", nbins=4)
        panels[-1].set_xlabel(symbol(parameter))
        figure.align_ylabels(list(panels))
        alt = (
            f"Components {', '.join(components.names)} of {components.set} against {parameter} for "
            f"{len(components.x)} simulations."
        )
        name = f"components_{components.set}_{parameter}"
        return finish(figure, name, alt, suffix="png")
