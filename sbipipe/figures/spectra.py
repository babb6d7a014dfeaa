"""Power spectra of example fields, coloured by a parameter."""

from __future__ import annotations

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from sbipipe.figures.style import (
    SEQUENTIAL,
    Drawing,
    canvas,
    finish,
    powers_of_ten,
    superscript,
    symbol,
)
from sbipipe.results.simulations import Spectra


def draw(spectra: Spectra, parameter: str) -> Drawing:
    """One line a field."""
    values = spectra.theta[:, spectra.parameters.index(parameter)]
    colours = ScalarMappable(Normalize(values.min(), values.max()), SEQUENTIAL)
    with canvas(4.4, 2.35) as figure:
        axes = figure.add_subplot()
        for power, value in zip(spectra.power, values, strict=True):
            axes.plot(spectra.k, power, color=colours.to_rgba(value), lw=0.7, alpha=0.8)
        axes.set(xscale="log", yscale="log", xlabel=f"$k$ [{spectra.k_unit}]")
        powers_of_ten(axes.xaxis)
        axes.set_ylabel(f"$P(k)$ [{superscript(spectra.power_unit)}]")
        figure.colorbar(colours, ax=axes, label=symbol(parameter), pad=0.02)
        alt = (
            f"Power spectra of {len(spectra.power)} example fields of {spectra.simulator}, "
            f"coloured by {parameter}."
        )
        return finish(figure, f"spectra_{spectra.simulator}_{parameter}", alt)
