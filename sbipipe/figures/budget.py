"""What an estimator learns from a share of its simulations, and what more of them would gain."""

from __future__ import annotations

import numpy as np

from sbipipe.budgets.curve import Budget
from sbipipe.figures.style import BAND, FAINT, INK, Drawing, Look, canvas, finish, head, plain

FARTHEST = 8.0
"""Times as many simulations, up to which the curve is drawn on."""


def draw(name: str, budget: Budget, look: Look) -> Drawing:
    """Points with the error of the difference to the last, the curve, and its extrapolation.

    Args:
        name: The entry of `budget:`.
    """
    whole, law = budget.whole, budget.law
    with canvas(height=3.1) as figure:
        axes = figure.add_subplot()
        known = np.geomspace(budget.points[0].share, 1, 60)
        beyond = np.geomspace(1, FARTHEST, 60)
        base = law.at(1.0)
        gains = np.array([law.gain(times) for times in beyond])
        number = whole.simulations
        mean, sd = base + gains[:, 0], gains[:, 1]
        axes.fill_between(number * beyond, mean - sd, mean + sd, color=BAND, lw=0)
        axes.plot(number * known, [law.at(times) for times in known], color=INK, lw=1.0)
        axes.plot(number * beyond, mean, color=INK, lw=1.0, ls=(0, (3, 1.5)), label="extrapolated")
        axes.errorbar(
            [point.simulations for point in budget.points],
            [point.nats for point in budget.points],
            [point.behind_se for point in budget.points],
            fmt=look.marker, color=look.colour, ms=5.5, capsize=2, label=plain(budget.of),
        )  # fmt: skip
        axes.axvline(number, color=FAINT, lw=0.7, ls=":")
        axes.set_xscale("log")
        ticks = [point.simulations for point in budget.points] + [number * 2, number * 8]
        axes.set_xticks(ticks, [f"{tick}" for tick in ticks], rotation=40, ha="right")
        axes.set_xticks([], minor=True)
        axes.set(xlabel="training simulations", ylabel="nats over the prior, on valid")
        head(figure, f"{plain(name)}: more simulations", axes.get_legend_handles_labels()[0])
        return finish(figure, f"budget_{name}", _alt(budget))


def _alt(budget: Budget) -> str:
    found = ", ".join(f"{p.nats:.2f} from {p.simulations}" for p in budget.points)
    gain, error = budget.law.gain(2.0)
    return (
        f"Nats over the prior of {budget.of} by the number of training simulations: {found}; twice "
        f"as many would gain {gain:.2f} ± {error:.2f}."
    )
