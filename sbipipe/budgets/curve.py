"""One estimator, trained on nested shares of its simulations: the content of `data/budgets/`.

Every fit is scored on the same rows of `valid`, one of each simulation, so that most of the scatter
of the nats cancels between shares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from sbipipe import storage
from sbipipe.budgets.power_law import PowerLaw, fit
from sbipipe.interfaces import Array, Dataset, History, Real
from sbipipe.protocols import Posterior, Prior
from sbipipe.records import load, record

MOST = 300
"""Simulations of `valid` that a fit is scored on, at most."""


@record
class Point:
    """What is learned from one share.

    Attributes:
        share: The share of the training simulations.
        simulations: The number of them.
        nats: The mean of the log posterior less the log prior density at the truth, on `valid`.
        se: The standard error of that mean.
        behind: How much higher that mean is with all simulations.
        behind_se: The standard error of that difference, which is paired.
        loss: The lowest validation loss of the networks that were kept.
        seconds: The wall time of the fit.
    """

    share: float
    simulations: int
    nats: Real
    se: Real
    behind: Real
    behind_se: Real
    loss: Real
    seconds: Real


@record
class Budget:
    """The learning curve of an estimator in the number of simulations.

    Attributes:
        of: The name of the estimator.
        points: The shares, all simulations last.
        covariance: The covariance of the means of nats, a row for each point.
        scored: The simulations of `valid` that the means are over.
        left_out: Those of them at which some density is not finite.
    """

    of: str
    points: tuple[Point, ...]
    covariance: tuple[tuple[Real, ...], ...]
    scored: int
    left_out: int = 0

    @property
    def whole(self) -> Point:
        """The point of all simulations."""
        return self.points[-1]

    @property
    def sentence(self) -> str:
        """What more simulations would gain, in words."""
        (two, two_sd), (ten, ten_sd) = self.law.gain(2.0), self.law.gain(10.0)
        most, most_sd = self.law.gain(math.inf)
        return (
            f"{self.of} would gain {two:.2f} ± {two_sd:.2f} nats from twice as many simulations, "
            f"{ten:.2f} ± {ten_sd:.2f} from ten times, {most:.2f} ± {most_sd:.2f} from any number"
        )

    @cached_property
    def law(self) -> PowerLaw:
        """What more simulations would gain."""
        shares = [point.share for point in self.points]
        return fit(shares, [point.nats for point in self.points], np.array(self.covariance))


def read(path: Path) -> Budget:
    """The curve that the stage `budget` wrote."""
    return load(Budget, storage.load_json(path), path)


def learns_nothing(name: str, of: str) -> str:
    """The line for an entry of `budget:` whose estimator needs no rows to learn from."""
    return f"budget.{name}.of: given {of!r}, which learns nothing; allowed: an estimator that does"


def nats(posterior: Posterior, prior: Prior, rows: Dataset) -> Array:
    """The log posterior less the log prior density at the truth of each row, with shape (N,)."""
    log_prob = posterior.at(rows.x).log_prob(rows.theta[None])[0]
    return np.asarray(log_prob - prior.log_prob(rows.theta))


def budget(
    of: str,
    shares: Sequence[float],
    simulations: Sequence[int],
    scores: Sequence[Array],
    histories: Sequence[History],
) -> Budget:
    """The curve, from what each share has learned; all simulations come last.

    Args:
        scores: `nats` of each, with shape (N,).
    """
    every = np.array(scores)
    kept = np.isfinite(every).all(0)
    found = every[:, kept]
    count = int(kept.sum())
    behind = found[-1] - found
    return Budget(
        of=of,
        points=tuple(
            Point(
                share=share,
                simulations=number,
                nats=float(one.mean()),
                se=float(one.std() / np.sqrt(count)),
                behind=float(less.mean()),
                behind_se=float(less.std() / np.sqrt(count)),
                loss=_loss(history.curves),
                seconds=history.seconds,
            )
            for share, number, one, less, history in zip(
                shares, simulations, found, behind, histories, strict=True
            )
        ),
        covariance=tuple(map(tuple, (np.cov(found, bias=True) / count).tolist())),
        scored=count,
        left_out=int((~kept).sum()),
    )


def _loss(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> float:
    return min((min(curve["valid"]) for curve in curves.values()), default=float("nan"))


__all__ = ["Budget", "Point", "budget", "learns_nothing", "nats", "read"]
