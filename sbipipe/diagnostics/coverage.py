r"""Expected coverage of highest-density regions (Hermans et al. 2022, arXiv:2110.06581).

The truth lies inside the smallest region of mass a where no more than the share a of the draws has
a higher density than the truth. That share is the rank of *minus* the log-density: with u the
randomised rank of the truth (see `uniformity`), the coverage at level a is the share of simulations
with u <= a, and for an exact posterior it is a. With the opposite sign, narrow posteriors would
read as wide ones.

The test is Kolmogorov and Smirnov's for one sample; the band drawn holds binomial intervals at
every level at once. The signed area,

    int_0^1 (coverage(a) - a) da = 1/2 - mean u,

is positive for a conservative posterior (regions hold more truths than they claim) and negative
for an overconfident one; for a Gaussian of D = 2 whose width is off by s it is s^2/(1 + s^2) - 1/2.

A failed observation and a truth of zero density lie outside every region: u = 1.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from sbipipe.gate import saying, uniformity
from sbipipe.interfaces import Array, Curve, Fault, Generator, Mask, PosteriorDraws, Result
from sbipipe.records import plugin

__all__ = ["Coverage"]

LEVELS = (0.5, 0.68, 0.9, 0.95)
"""Where the coverage is quoted."""


@plugin
class Coverage:
    """How often the regions hold the truth, at every level.

    Attributes:
        level: The drawn band holds the whole curve of an exact posterior with probability
            `1 - level`.
    """

    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.01

    def __call__(self, draws: PosteriorDraws, rng: Generator) -> tuple[Result, ...]:
        """One result, "hpd", whose `statistic` is the Kolmogorov-Smirnov distance."""
        failed = uniformity.failed(draws)
        u = uniformity.outward_ranks(draws, rng)
        distance, p_value = uniformity.kolmogorov_smirnov(u)
        held = float(np.mean(u <= 0.68))
        why = f"68 % regions hold the truth in {100 * held:.0f} % of {len(u)} simulations"
        return (
            Result(
                test="hpd",
                statistic=distance,
                p_value=p_value,
                curve=self._curve(u),
                why=why,
                numbers=_numbers(u, failed),
                says=_says(u),
                ranks=tuple(u[~failed].tolist()),
                outwards=True,
            ),
        )

    def _curve(self, u: Array) -> Curve:
        lower, upper = uniformity.simultaneous_band(len(u), self.level)
        return Curve(
            x=tuple(uniformity.GRID.tolist()),
            y=tuple(uniformity.ecdf(u).tolist()),
            ideal=tuple(uniformity.GRID.tolist()),
            lower=tuple(lower.tolist()),
            upper=tuple(upper.tolist()),
            x_label="credibility of the highest-density region",
            y_label="share of simulations whose truth it holds",
        )


def _says(u: Array) -> dict[Fault, str]:
    """The numbers that condemn a width, or a shape."""

    def holds(content: str) -> str:
        return f"{content} regions hold the truth"

    return {
        "width": saying.width(u, holds, narrow=bool(np.mean(u) > 0.5)),
        "shape": saying.shape(u, holds),
    }


def _numbers(u: Array, failed: Mask) -> dict[str, float]:
    return {
        **{f"coverage_{level:g}": float(np.mean(u <= level)) for level in LEVELS},
        "signed_area": float(0.5 - np.mean(u)),
        "failed": float(failed.sum()),
    }
