r"""The number by which ranks condemn a posterior, in a sentence.

Ranks u of the truth lie, spread, and are shaped. Each of the three has a number of its own, and a
sentence that names another may say the opposite: of a posterior that is displaced, the central 68 %
interval may well hold the truth in 69 %. So

- place is said by the mean rank, 1/2 where it is right;
- width by the share of truths in a region of content a, for the a at which that share is farthest
  from a in binomial standard errors sqrt(a (1 - a) / N), on the side that is complained of;
- shape by the share of truths below a quantile q of the draws, for the q at which that share is
  farthest from q in the same way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sbipipe.interfaces import Array

LEVELS: Array = np.array([0.5, 0.68, 0.9, 0.95])
"""Contents of regions that readers know."""

QUANTILES: Array = np.linspace(0.05, 0.95, 19)
"""Quantiles of the draws that are looked at."""

MOST_DIGITS = 3
"""Decimals of a percentage, at most."""

Claim = Callable[[str], str]
"""What should be so in a share of all simulations, given that share: "the central 68 % interval of
h holds the truth" from "68 %"."""


def place(u: Array, of: str) -> str:
    """Where the truths of a parameter lie among the draws, from their ranks (N,)."""
    side = "low" if np.mean(u) > 0.5 else "high"
    return (
        f"the posterior of {of} lies too {side}: the mean rank of the truth among its draws is "
        f"{np.mean(u):.3f} in {len(u)} simulations, where 0.5 is right"
    )


def width(outward: Array, claim: Claim, *, narrow: bool) -> str:
    """How seldom, or how often, regions hold the truth.

    Args:
        outward: The contents of the smallest regions that hold the truths, with shape (N,).
        claim: That a region of some content holds the truth.
        narrow: Whether regions are too small; else they are too large.

    Returns:
        Nothing where no region is wrong on that side.
    """
    level = worst_level(outward, narrow=narrow)
    return "" if level is None else met(outward, claim, level)


def shape(u: Array, claim: Claim) -> str:
    """Where ranks (N,) stray most from uniform.

    Args:
        claim: That the truth lies below some quantile.
    """
    return met(u, claim, float(QUANTILES[np.abs(_away(u, QUANTILES)).argmax()]))


def worst_level(outward: Array, *, narrow: bool) -> float | None:
    """The content of the regions that are most too small, or too large, those that readers know
    first; None where none is."""
    for levels in (LEVELS, QUANTILES):
        away = _away(outward, levels) * (-1 if narrow else 1)
        if away.max() > 0:
            return float(levels[away.argmax()])
    return None


def met(u: Array, claim: Claim, level: float) -> str:
    """In how many of the simulations behind u (N,) a claim is met."""
    share = percentage(float(np.mean(u <= level)), level)
    return f"{claim(f'{100 * level:.0f} %')} in {share} of {len(u)} simulations"


def percentage(share: float, other: float) -> str:
    """A share with the digits that tell it apart from another, but no more than `MOST_DIGITS`."""
    digits = 0
    while digits < MOST_DIGITS and f"{100 * share:.{digits}f}" == f"{100 * other:.{digits}f}":
        digits += 1
    return f"{100 * share:.{digits}f} %"


def _away(u: Array, levels: Array) -> Array:
    """How far the shares below some levels are from them, in standard errors."""
    share = (u <= levels[:, None]).mean(1)
    return np.asarray((share - levels) / np.sqrt(levels * (1 - levels) / len(u)))
