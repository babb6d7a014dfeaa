r"""Tests of accuracy with random points, TARP (Lemos et al. 2023, arXiv:2302.03026).

For each simulation a reference point is drawn at random, and f is the share of draws that lie
nearer to it than the truth. For an exact posterior f is uniform whatever the references, as long as
they do not depend on the truth; a posterior for which it is uniform for *every* distribution of
references is exact. Here they are uniform over the box that holds all truths and draws,
and distances are measured in units of its sides, so that no parameter's unit matters.

The test is Kolmogorov and Smirnov's for one sample on the per-simulation f (randomised, see
`uniformity`): its sample size is the number of simulations. Comparing the curve with the grid it is
drawn on, as a two-sample test, takes the number of bins for the sample size and finds next to
nothing.

The area to the curve, ATC = int_{1/2}^1 (coverage(a) - a) da, is positive where the posterior is
too wide and negative where it is too narrow or displaced.

A failed observation counts as a truth that is nearest and farthest by turns.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from sbipipe.gate import saying, uniformity
from sbipipe.interfaces import Array, Curve, Fault, Generator, Mask, PosteriorDraws, Result
from sbipipe.records import plugin

__all__ = ["Tarp"]


@plugin
class Tarp:
    """Coverage of regions around random points.

    Attributes:
        level: The drawn band holds the whole curve of an exact posterior with probability
            `1 - level`.
    """

    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.01

    def __call__(self, draws: PosteriorDraws, rng: Generator) -> tuple[Result, ...]:
        """One result, "tarp", whose `statistic` is the Kolmogorov-Smirnov distance."""
        failed = uniformity.failed(draws)
        f = np.empty(len(failed))
        f[failed] = uniformity.by_turns(int(failed.sum()))
        f[~failed] = _fractions(draws, ~failed, rng)
        distance, p_value = uniformity.kolmogorov_smirnov(f)
        central = float(np.mean(np.abs(f - 0.5) <= 0.34))
        why = (
            f"the middle 68 % of distances from a random point hold that of the truth in "
            f"{100 * central:.0f} % of {len(f)} simulations"
        )
        numbers = {"atc": _area(f), "failed": float(failed.sum())}
        return (
            Result(
                test="tarp",
                statistic=distance,
                p_value=p_value,
                curve=self._curve(f),
                why=why,
                numbers=numbers,
                says=_says(f, numbers["atc"]),
                ranks=tuple(f[~failed].tolist()),
            ),
        )

    def _curve(self, f: Array) -> Curve:
        lower, upper = uniformity.ks_band(len(f), self.level)
        return Curve(
            x=tuple(uniformity.GRID.tolist()),
            y=tuple(uniformity.ecdf(f).tolist()),
            ideal=tuple(uniformity.GRID.tolist()),
            lower=tuple(lower.tolist()),
            upper=tuple(upper.tolist()),
            x_label="credibility of the region around a random point",
            y_label="share of simulations whose truth it holds",
        )


def _fractions(draws: PosteriorDraws, rows: Mask, rng: Generator) -> Array:
    """Randomised share of draws nearer to a random point than the truth."""
    values, theta = draws.draws[:, rows], draws.theta[rows]
    if not len(theta):
        return np.empty(0)
    low = np.minimum(values.min((0, 1)), theta.min(0))
    side = np.maximum(values.max((0, 1)), theta.max(0)) - low
    reference = low + side * rng.random(theta.shape)

    def distance(points: Array) -> Array:
        return np.asarray((((points - reference) / side) ** 2).sum(-1))

    size = uniformity.effective_draws(draws)[rows]
    return uniformity.pit(distance(values), distance(theta), size, rng)


def _says(f: Array, area: float) -> dict[Fault, str]:
    """The numbers that condemn a width, or a shape."""

    def within(share: str) -> str:
        return f"the truth is no farther from a random point than the nearest {share} of the draws"

    return {
        "width": saying.width(f, within, narrow=area < 0),
        "shape": saying.shape(f, within),
    }


def _area(f: Array) -> float:
    """int_{1/2}^1 (share of f below a - a) da."""
    return float(np.mean(1 - np.maximum(f, 0.5)) - 0.375)
