r"""Calibration by region, right everywhere or only on average (Zhao et al. 2021, arXiv:2102.10473).

A posterior too narrow for one half of the observations and too wide for the other can pass every
test that looks at all ranks together. But given any symmetric function of truth and draws, or of
the data, the ranks u of an exact posterior are still uniform (`redraws`), so no score of the ranks
may depend on any such covariate (`covariates`). Zhao et al. fit a regression for each observation;
the scores here are those of Neyman's (1937) smooth test:

- place: sqrt(12) (u - 1/2) of each parameter, large where the truth lies above the draws;
- width: sqrt(5) (6 u^2 - 6 u + 1) of each parameter, large where the posterior is too narrow, and
  sqrt(12) (1/2 - u) of the log-density, large where its regions are too small.

With B simulations and columns c of mean square 1,

    z = B^(-1/2) sum_b score_b c_b

has mean 0 and variance 1 for each score and each column. The statistic is the largest |z| of all,
and its p-value comes from redrawn truths, so it is that of the whole search: exact down to 0.02,
and continued below. (A permutation of u over the simulations would need the ranks of different
parameters to depend on each other in the same way everywhere; redraws do not.) The constant among
the columns finds what is wrong throughout.

The curve runs through the simulations in the order of the covariate that shows most, and adds up
the score that shows most: B^(-1/2) sum_{b <= t B} score_b. It rises where the posterior is too
narrow or the truth lies above the draws, and its band holds the whole curve, for the choice of
score and covariate that is made in each redraw, with probability `1 - level`.

A failed observation counts as a truth outside all draws, as in simulation-based calibration; it
lies in no region but where the data alone say in which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from sbipipe.gate import saying, uniformity
from sbipipe.gate.covariates import Column, Region, columns
from sbipipe.gate.redraws import Redraws, largest
from sbipipe.interfaces import Array, Curve, Generator, Index, PosteriorDraws, Result
from sbipipe.legendre import legendre
from sbipipe.records import plugin

__all__ = ["Regions"]


@dataclass(frozen=True, kw_only=True)
class _Score:
    """A score of the ranks of one quantity.

    Attributes:
        quantity: The name of the parameter; None for the log-density.
        place: Whether it tells of the place rather than of the width.
        ranks: The ranks of the members of each pool, with shape (n + 1, B).
        u: The ranks of the truth, with shape (B,).
    """

    quantity: str | None
    place: bool
    ranks: Array
    u: Array

    def of(self, u: Array) -> Array:
        """The score of ranks."""
        first, second = legendre(u)
        if self.quantity is None:
            return -first
        return first if self.place else second

    @property
    def observed(self) -> Array:
        """The score of the truth, with shape (B,)."""
        return self.of(self.u)

    def redrawn(self, redraws: Redraws) -> Array:
        """The score of the truth and those of the redrawn truths, with shape (R + 1, B)."""
        found = redraws.take(self.of(self.ranks))
        found[0] = self.observed
        return found


@plugin
class Regions:
    """Whether any score of the ranks depends on where the simulation lies.

    Attributes:
        level: The drawn band holds the whole curve of an exact posterior with probability
            `1 - level`.
    """

    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.01

    def __call__(self, draws: PosteriorDraws, rng: Generator) -> tuple[Result, ...]:
        """One result, "regions", whose `statistic` is the largest |z|."""
        redraws = Redraws.of(draws, rng)
        scores, given = _scores(draws, redraws), columns(draws, redraws)
        design = np.stack([column.values for column in given], 1) / np.sqrt(len(draws.theta))
        z = np.stack([score.redrawn(redraws) @ design for score in scores], 1)
        statistic, p_value = largest(z)
        worst = np.stack(np.unravel_index(np.abs(z).reshape(len(z), -1).argmax(1), z.shape[1:]), 1)
        score, column = scores[worst[0, 0]], given[worst[0, 1]]
        region = max(column.regions(), key=lambda one: abs(_z(score, one)))
        return (
            Result(
                test="regions",
                statistic=statistic,
                p_value=p_value,
                curve=self._curve(scores, given, worst, redraws),
                why=_words(score, region),
                numbers=_numbers(z[0], score, region, redraws),
            ),
        )

    def _curve(
        self, scores: Sequence[_Score], given: Sequence[Column], worst: Index, redraws: Redraws
    ) -> Curve:
        """The sums of the scores in the order of the covariate, both those that show most."""
        paths = _paths(scores, given, worst, redraws)
        edge = float(np.quantile(np.abs(paths[1:]).max(1), 1 - self.level))
        grid = uniformity.GRID
        steps = np.arange(paths.shape[1]) / (paths.shape[1] - 1)
        height = np.interp(grid, steps, paths[0])
        return Curve(
            x=tuple(grid.tolist()),
            y=tuple(height.tolist()),
            ideal=tuple(0 * grid),
            lower=tuple(0 * grid - edge),
            upper=tuple(0 * grid + edge),
            x_label="share of simulations, in the order of the covariate that shows most",
            y_label="sum of scores, rising where too narrow or too low",
        )


def _scores(draws: PosteriorDraws, redraws: Redraws) -> list[_Score]:
    """Place and width of each parameter, and the width that the log-density shows."""
    turns = uniformity.by_turns(int(redraws.failed.sum()))
    found = []
    for i, name in enumerate(draws.parameters):
        ranks, u = _ranks(redraws, draws.draws[..., i], draws.theta[:, i], turns)
        found += [_Score(quantity=name, place=place, ranks=ranks, u=u) for place in (True, False)]
    ranks, u = _ranks(redraws, draws.log_prob, draws.log_prob_truth, 0 * turns)
    return [*found, _Score(quantity=None, place=False, ranks=ranks, u=u)]


def _ranks(redraws: Redraws, values: Array, truth: Array, lost: Array) -> tuple[Array, Array]:
    """Ranks of the pools' members and of the truths; `lost` are those of failed observations."""
    ranks = redraws.ranks(redraws.pool(values, truth))
    u = redraws.at_truth(ranks)
    u[redraws.failed] = lost
    return ranks, u


def _paths(
    scores: Sequence[_Score], given: Sequence[Column], worst: Index, redraws: Redraws
) -> Array:
    """B^(-1/2) times the running sums of each redraw's worst score, with shape (R + 1, B + 1)."""
    n = len(redraws.failed)
    paths = np.zeros((len(worst), n + 1))
    orders = [
        np.arange(n) if column.of is None else np.argsort(column.of.values, kind="stable")
        for column in given
    ]
    for which, score in enumerate(scores):
        rows = np.flatnonzero(worst[:, 0] == which)
        picked = score.redrawn(redraws)[rows]
        order = np.stack([orders[column] for column in worst[rows, 1]]) if len(rows) else None
        if order is not None:
            paths[rows, 1:] = np.take_along_axis(picked, order, 1).cumsum(1) / np.sqrt(n)
    return paths


def _z(score: _Score, region: Region) -> float:
    """The sum of the scores in a region, in standard deviations."""
    inside = score.observed[region.inside]
    return float(inside.sum() / np.sqrt(max(len(inside), 1)))


def _numbers(z: Array, score: _Score, region: Region, redraws: Redraws) -> dict[str, float]:
    """What is wrong in the region, in standard deviations, and how far it goes beyond what is
    wrong throughout."""
    there = _z(score, region)
    return {
        "regional": float(np.abs(z[:, 1:]).max(initial=0.0)),
        "throughout": float(np.abs(z[:, 0]).max()),
        "bias_there": there if score.place else 0.0,
        "width_there": 0.0 if score.place else -there,
        "failed": float(redraws.failed.sum()),
    }


def _words(score: _Score, region: Region) -> str:
    claim, here, there = (_placed if score.place else _held)(score, region)
    if not region.words:
        return f"{claim} {here}"
    return f"where {region.words}, {claim} {here}, and {there}"


def _placed(score: _Score, region: Region) -> tuple[str, str, str]:
    """The mean rank: of what, in the region, and elsewhere."""
    inside, others = score.u[region.inside], score.u[region.outside]
    return (
        f"the mean rank of the truth of {score.quantity} is",
        f"{np.mean(inside):.2f} in {len(inside)} simulations",
        f"{np.mean(others):.2f} in the others" if len(others) else "",
    )


def _held(score: _Score, region: Region) -> tuple[str, str, str]:
    """The interval or region that is most wrong there: which it is, how often it holds the truth in
    the region, and how often elsewhere."""
    outward = 1 - score.u if score.quantity is None else np.abs(2 * score.u - 1)
    inside, others = outward[region.inside], outward[region.outside]
    level = saying.worst_level(inside, narrow=_z(score, region) > 0) or 0.68
    content, share = f"{100 * level:.0f} %", float(np.mean(inside <= level))
    interval = f"the central {content} interval of {score.quantity} holds the truth"
    return (
        f"{content} regions hold the truth" if score.quantity is None else interval,
        f"in {saying.percentage(share, level)} of {len(inside)} simulations",
        f"in {100 * np.mean(others <= level):.0f} % of the others" if len(others) else "",
    )
