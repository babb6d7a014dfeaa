r"""Do simulations fail where they like, or where the parameters say?

Posteriors are learned from the simulations that succeeded. If failure depends on theta, these come
from another prior than the one declared, and no test on the test simulations can see it, since they
lack the same ones.

With q the quantiles of theta under the prior, the scores of a parameter are q - 1/2 and its square,
both standardised over all simulations: failures at one end show in the mean of the first over the
failed ones, those at both ends or in the middle in that of the second. The statistic is the largest
modulus of these means; its p-value is the share of random choices of as many simulations that have
as large a one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sbipipe import storage
from sbipipe.interfaces import SPLITS, Array, Dataset, Generator, Mask
from sbipipe.protocols import Prior
from sbipipe.sets.failures import Failures

CHOICES = 999
"""Random choices that the failed simulations are compared with."""


def failures(theta: Array, failed: Mask, prior: Prior, rng: Generator) -> Failures:
    """Which simulations failed.

    Args:
        theta: Of every simulation, with shape (S, D).
        failed: With shape (S,).
    """
    count = int(failed.sum())
    if not 0 < count < len(failed):
        return Failures(failed=count, simulations=len(failed))
    q = prior.to_unit(theta)
    scores = _scores(q)
    own = np.abs(scores[failed].mean(0))
    by_chance = [
        np.abs(scores[rng.permutation(len(scores))[:count]].mean(0)).max() for _ in range(CHOICES)
    ]
    worst = int(own.argmax()) // 2
    return Failures(
        failed=count,
        simulations=len(failed),
        p_value=float((1 + np.sum(by_chance >= own.max())) / (1 + CHOICES)),
        parameter=prior.names[worst],
        mean_quantile=float(q[failed, worst].mean()),
    )


def of_campaign(path: Path, prior: Prior, rng: Generator) -> Failures:
    """Those of the set at `path`, once every simulation has been run."""
    splits = [storage.open_split(path, split) for split in SPLITS]
    theta = np.concatenate([group["theta"][:][:: group.attrs["maps"]] for group in splits])
    status = np.concatenate([group["status"][:] for group in splits])
    return failures(theta, status == storage.FAILED, prior, rng)


def left_out(rows: Dataset, keep: Mask, prior: Prior, rng: Generator) -> Failures:
    """The simulations of which some row is not kept, among those whose parameters are known."""
    known = np.asarray(np.isfinite(rows.theta).all(1))
    _, first, group = np.unique(rows.group[known], return_index=True, return_inverse=True)
    lost = np.zeros(len(first), bool)
    lost[group[~keep[known]]] = True
    return failures(rows.theta[known][first], lost, prior, rng)


def _scores(q: Array) -> Array:
    """Both scores of each parameter, (S, D) -> (S, 2 D), with mean zero and variance one."""
    centred = q - 0.5
    both = np.stack([centred, centred**2], -1).reshape(len(q), -1)
    both = both - both.mean(0)
    width = both.std(0)
    return np.asarray(both / np.where(width > 0, width, 1.0))


__all__ = ["failures", "left_out", "of_campaign"]
