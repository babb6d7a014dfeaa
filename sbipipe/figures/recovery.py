"""Posterior mean and width against the truth, for one parameter and one estimator.

Below, the distance of the mean from the truth in posterior widths: for a calibrated Gaussian
posterior 68 % of the points lie between the lines at -1 and 1, at every value of the truth.
"""

from __future__ import annotations

from matplotlib.axes import Axes

from sbipipe.figures.style import FAINT, NARROW, Drawing, Look, canvas, finish, head, plain, symbol
from sbipipe.results.posteriors import Recovery

LONG = 24
"""Letters in the names of estimator and parameter, beyond which a line does not hold both."""


def draw(recovery: Recovery, look: Look) -> Drawing:
    """Means above, standardised residuals below."""
    with canvas(NARROW, 3.5) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        _means(upper, recovery, look)
        _residuals(lower, recovery, look)
        figure.align_ylabels([upper, lower])
        head(figure, _title(recovery))
        name = f"recovery_{recovery.estimator}_{recovery.parameter}"
        return finish(figure, name, _alt(recovery), suffix="png")


def _title(recovery: Recovery) -> str:
    long = len(recovery.estimator) + len(recovery.parameter) > LONG
    between = ":\n" if long else ": "
    return f"{plain(recovery.estimator)}{between}{symbol(recovery.parameter)}"


def _means(axes: Axes, recovery: Recovery, look: Look) -> None:
    axes.errorbar(
        recovery.truth, recovery.mean, recovery.width, fmt=look.marker, ms=2.2, lw=0.5,
        color=look.colour, alpha=0.55,
    )  # fmt: skip
    ends = [recovery.truth.min(), recovery.truth.max()]
    axes.plot(ends, ends, color="black", lw=0.8, ls="--")
    axes.set_ylabel("posterior mean ± width")


def _residuals(axes: Axes, recovery: Recovery, look: Look) -> None:
    axes.axhspan(-1, 1, color="#eeeeee", lw=0)
    axes.axhline(0, color=FAINT, lw=0.8)
    z = recovery.z
    axes.plot(recovery.truth, z.clip(-4.9, 4.9), look.marker, ms=2.2, color=look.colour, alpha=0.6)
    axes.set(ylim=(-5, 5), yticks=[-3, -1, 1, 3])
    axes.set(xlabel=f"{symbol(recovery.parameter)}, truth", ylabel="(mean - truth)\n/ width")


def _alt(recovery: Recovery) -> str:
    inside = (abs(recovery.z) < 1).mean()
    return (
        f"Posterior mean of {recovery.parameter} by {recovery.estimator} against the truth for "
        f"{len(recovery.truth)} test simulations; {100 * inside:.0f} % of the means lie within one "
        "posterior width of the truth."
    )
