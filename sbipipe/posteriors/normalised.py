"""The density of an estimator anywhere, normalised as that of its own draws is.

An estimator gives log p(theta | x) - log p(theta) up to a constant for each x
(`protocols.Posterior.log_ratio`), and its draws carry their log p(theta | x). Their difference at a
few draws is that constant, so what was integrated to draw is not integrated again.
"""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Array, PosteriorDraws
from sbipipe.protocols import Posterior, Prior
from sbipipe.sampling.unnormalised import evaluate

ANCHORS = 9
"""Draws of which the median gives the constant; it is the same at all of them, but for estimators
that know their density by steps (`recalibrations.levels`)."""


def log_density(
    posterior: Posterior, prior: Prior, draws: PosteriorDraws, x: Array, theta: Array
) -> Array:
    """log p(theta | x) in nats, with shape (n, B); NaN for an observation that has no draws.

    Args:
        draws: Of the posteriors of the same x.
        x: With shape (B, ...).
        theta: With shape (n, B, D).
    """
    digest = posterior.digest(x)
    own, log_prob = draws.draws[:ANCHORS], draws.log_prob[:ANCHORS]
    points = np.concatenate([own, theta])
    values = evaluate(posterior.log_ratio, points, digest) + prior.log_prob(points)
    constant = np.median(values[: len(own)] - log_prob, 0)
    return np.asarray(values[len(own) :] - constant)


__all__ = ["log_density"]
