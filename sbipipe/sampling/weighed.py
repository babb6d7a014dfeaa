"""Weighted particles of several observations, and what their weights say of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from sbipipe.interfaces import Array, Index, Mask
from sbipipe.sampling.pareto import smooth
from sbipipe.sampling.particles import effective_size, relative

POOLS = (1.5, 2.0, 3.0, 4.0)
"""Weighted draws for each that is kept, from which a posterior takes the fewest that do."""

_LARGER = (8.0, 16.0, 32.0)
"""The same, where with the most of these not even `_LEAST` would be effective."""

MOST = POOLS[-1]
"""Weighted draws for each that is kept beyond which a better proposal is looked for."""

_KEPT, _LEAST = 0.95, 0.5
"""Share of the draws that should be effective, and the least that may."""


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """Particles of b observations.

    Attributes:
        u: Their places, with shape (S, b, D).
        log_weight: Their smoothed weights, with shape (S, b).
        k_hat: Pareto shapes, with shape (b,); NaN for an observation that cannot be sampled.
        log_evidence: log Z, with shape (b,); NaN where k_hat is.
    """

    u: Array
    log_weight: Array
    k_hat: Array
    log_evidence: Array

    @property
    def pool(self) -> Array:
        """How many weighted draws a draw needs, with shape (b,): the fewest of `POOLS` of which
        `_KEPT` of the draws are effective, or the fewest more of which `_LEAST` are."""
        weights = relative(self.log_weight)
        weights /= weights.mean(0)
        share = effective_size(weights) / len(weights)
        found = np.full(len(share), _LARGER[-1])
        for pool in reversed((*POOLS, *_LARGER)):
            enough = np.minimum(pool * share, 1 / (pool * _squares(weights / pool).mean(0)))
            found[enough >= (_LEAST if pool >= MOST else _KEPT)] = pool
        return found

    def of(self, which: Index | Mask) -> Weighed:
        """Those of these observations."""
        return Weighed(
            u=self.u[:, which],
            log_weight=self.log_weight[:, which],
            k_hat=self.k_hat[which],
            log_evidence=self.log_evidence[which],
        )


def weighed(u: Array, log_weight: Array) -> Weighed:
    """Particles u (S, b, D) with weights (S, b), which are changed."""
    failed = ~(log_weight < np.inf).all(0) | (np.isfinite(log_weight).sum(0) < 50)
    log_weight[:, failed] = 0.0
    smoothed, k_hat = smooth(log_weight)
    log_evidence = special.logsumexp(smoothed, 0) - np.log(len(u))
    return Weighed(
        u=u,
        log_weight=smoothed,
        k_hat=np.where(failed, np.nan, k_hat),
        log_evidence=np.where(failed, np.nan, log_evidence),
    )


def _squares(expected: Array) -> Array:
    """The mean square of counts of which systematic resampling expects so many."""
    whole = np.floor(expected)
    return np.asarray(whole**2 + (2 * whole + 1) * (expected - whole))


__all__ = ["MOST", "POOLS", "Weighed", "weighed"]
