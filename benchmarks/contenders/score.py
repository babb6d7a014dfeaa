"""How near a contender's posteriors are to the exact ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sbi.utils.metrics import c2st as perceptron

from contenders.clock import Seconds, timed
from contenders.task import REFERENCE_DRAWS, SEED, Contender, Fitted, Judged, Reference, Task
from sbipipe.interfaces import Array
from sbipipe.posteriors.compare import kl_from_exact
from sbipipe.posteriors.two_samples import c2st as smooth
from sbipipe.seeds import stream

CLASSIFIERS = ("perceptron", "smooth")
"""sbibm's, with two layers of 10 D units, in five folds; or `sbipipe.posteriors.two_samples`, which
takes a thirtieth of the time and sees less of fine structure."""

KL_DRAWS = 500
"""Exact draws of each observation that a divergence is averaged over."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One contender on one task.

    Attributes:
        problem: The name of the problem.
        size: The number of simulations for training and validation.
        method: The name of the contender.
        c2st: The accuracy of sbibm's classifier, for each observation.
        c2st_median: The median over the observations.
        kl: The divergence KL(exact || estimate) in nats, for each observation; empty where the
            contender has no normalised density.
        training: The time of training, recalibration included.
        drawing: The time of drawing for all observations.
        judged: What the gate says; None where there is no gate.
    """

    problem: str
    size: int
    method: str
    c2st: tuple[float, ...]
    c2st_median: float
    kl: tuple[float, ...]
    training: Seconds
    drawing: Seconds
    judged: Judged | None


def score(task: Task, method: str, contender: Contender, classifier: str) -> Score:
    """Train a contender and set its posteriors beside the exact ones.

    Args:
        classifier: The name of the classifier that tells draws apart, one of `CLASSIFIERS`.
    """
    reference, x = task.reference, task.observed.x
    fitted = contender.fit(task)
    rng = stream(SEED, "draw", method)
    draws, drawing = timed(lambda: fitted.sample(x, REFERENCE_DRAWS, rng))
    accuracy = tuple(
        two_samples(reference.draws[:, i], draws[:, i], classifier, seed=i) for i in range(len(x))
    )
    judged = fitted.judge(task.split("test"), stream(SEED, "judge", method)) if task.tests else None
    return Score(
        problem=task.name,
        size=task.size,
        method=method,
        c2st=accuracy,
        c2st_median=float(np.median(accuracy)),
        kl=_divergences(fitted, reference, x),
        training=fitted.seconds,
        drawing=drawing,
        judged=judged,
    )


def two_samples(a: Array, b: Array, classifier: str, seed: int) -> float:
    """The accuracy of a classifier between (n, D) and (n, D); 1 where a draw is missing."""
    if not np.isfinite(b).all():
        return 1.0
    if classifier == "smooth":
        return smooth(a, b, seed)
    both = (torch.as_tensor(one, dtype=torch.float32) for one in (a, b))
    return float(perceptron(*both, seed=seed, n_folds=5, classifier="mlp"))


def _divergences(fitted: Fitted, reference: Reference, x: Array) -> tuple[float, ...]:
    found = fitted.log_prob(reference.draws[:KL_DRAWS], x)
    if found is None:
        return ()
    return tuple(kl_from_exact(reference.log_prob[:KL_DRAWS], found)[1].tolist())
