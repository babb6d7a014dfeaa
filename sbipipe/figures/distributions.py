"""How far the distribution of every mode's power is from that of true fields, at one theta."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sbipipe.emulation.sampled import Departure, Distributions
from sbipipe.figures.style import (
    BAND,
    COLUMN,
    GENERATED,
    INK,
    Drawing,
    canvas,
    finish,
    head,
    plain,
    powers_of_ten,
)
from sbipipe.results.emulation import Emulation

POWER = "power spectrum"
DOTTED = (0, (1.2, 1.2))


def draw(emulation: Emulation) -> tuple[Drawing, ...]:
    """The distance by each test, with the band below which 95 % of exchanges stay; nothing where
    no fields were drawn at one theta."""
    sampled = emulation.judgement.at_one_theta
    if isinstance(sampled, str) or POWER not in sampled.distributions:
        return ()
    found = sampled.distributions[POWER]
    with canvas(COLUMN, 3.9) as figure:
        panels = figure.subplots(len(found.generated), 1, sharex=True)
        for axes, name in zip(panels, found.generated, strict=True):
            _distance(axes, found, name)
            axes.set_title(name, fontsize=8.5, fontweight="normal", pad=3)
            axes.set_ylabel("distance")
        panels[-1].set_xlabel(f"$k$ [{plain(emulation.judgement.k_unit)}]")
        legend = [
            Line2D([], [], color=GENERATED, label="generated against true"),
            Line2D([], [], color=INK, ls=DOTTED, label="true against true"),
            Patch(color=BAND, label="95 % of exchanges of simulations"),
        ]
        head(figure, f"{plain(emulation.name)}: distribution of $P(k)$ at each $k$", legend)
        return (finish(figure, f"distributions_{emulation.name}", _alt(emulation.name, found)),)


def _distance(axes: Axes, found: Distributions, name: str) -> None:
    generated, control = _first(found, found.generated[name]), _first(found, found.control[name])
    axes.fill_between(found.x, 0, generated.expected, color=BAND, lw=0)
    axes.plot(found.x, control.distance, color=INK, ls=DOTTED)
    axes.plot(found.x, generated.distance, color=GENERATED)
    axes.set(xscale="log", ylim=(0, None))
    powers_of_ten(axes.xaxis)
    axes.margins(x=0)


def _first(found: Distributions, of: Departure) -> Departure:
    """The part of the first curve of the first channel."""
    K = len(found.x)
    return Departure(
        p=of.p[:K],
        p_largest=of.p_largest,
        distance=of.distance[:K],
        expected=of.expected[:K],
        similar_99=of.similar_99,
        similar_95=of.similar_95,
    )


def _alt(name: str, found: Distributions) -> str:
    shares = ", ".join(
        f"by {test} in {(found.generated[test].p < 0.05).mean():.0%} of the modes that {name} "
        f"generated and in {(found.control[test].p < 0.05).mean():.0%} of those of true fields"
        for test in found.generated
    )
    return f"Distances of the distributions of power at each k; p is below 0.05 {shares}."
