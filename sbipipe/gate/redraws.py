r"""Redraws: what chance alone makes of any statistic of ranks, without an approximation.

Given the data, truth and draws of an exact posterior are exchangeable: had any other member of the
pool {truth, draws} been the truth, nothing would be less likely. So whatever a test computes from
the ranks of the truth and from symmetric functions of each pool (its mean, its width) or of the
data, its distribution under the null follows by taking a member of each pool at random in the
place of the truth, again and again. The rank of the statistic among R such replicates,

    p = (1 + number of replicates at least as large) / (R + 1),

is exact for any number of simulations, draws and parameters, whatever the pools' shapes and
however the ranks of one simulation depend on each other: a Monte Carlo test (Besag & Clifford 1989,
Biometrika 76, 633) of the exchangeability that simulation-based calibration rests on (Talts et al.
2018, arXiv:1804.06788; Modrák et al. 2023, arXiv:2211.02383, for symmetric functions of the pool).

Statistics here are the largest |z| of many, each nearly standard normal. With s = -log P(|Z| > z),
the smallest of many p-values has an exponential tail, so beyond the k-th largest replicate

    p = k / (R + 1) exp(s_k - s),

which continues the Monte Carlo p-value to where R replicates cannot reach (Knijnenburg et al.
2009, Bioinformatics 25, i161, fit the tail's shape as well).

Ties are broken at random, for all quantities of a simulation alike. The pool holds no more draws
than are worth independent ones, and at most `DRAWS`: more sharpen nothing. A failed observation
has no pool. Its redrawn ranks are uniform, and its own rank is what the test takes for a miss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from sbipipe.gate import uniformity
from sbipipe.interfaces import Array, Generator, Index, Mask, PosteriorDraws

DRAWS = 255
"""Draws of each observation that are ranked, at most."""

REPLICATES = 999
"""R: how often the truths are redrawn."""

TAIL = 20
"""k: replicates beyond which the tail is continued."""


@dataclass(frozen=True, kw_only=True)
class Redraws:
    """The pools of B simulations in random order, and who is taken for the truth.

    Attributes:
        order: The place of each pool's members among (truth, draws), with shape (n + 1, B).
        size: The number of members of each pool, with shape (B,); they come first.
        taken: Where the member taken for the truth lies among all members of all pools, in C
            order, with shape (R + 1, B); the first row is the truth.
        failed: The observations that have no pool, with shape (B,).
    """

    order: Index
    size: Index
    taken: Index
    failed: Mask

    @classmethod
    def of(cls, draws: PosteriorDraws, rng: Generator) -> Redraws:
        """Pools of all observations, redrawn `REPLICATES` times."""
        failed = uniformity.failed(draws)
        n = min(len(draws.draws), DRAWS)
        size = np.where(failed, n, np.minimum(uniformity.effective_draws(draws), n)) + 1
        keys = rng.random((n + 1, len(size)))
        keys[np.arange(n + 1)[:, None] >= size] = 2.0
        order = np.argsort(keys, axis=0)
        others = (rng.random((REPLICATES, len(size))) * size).astype(np.int64)
        member = np.concatenate([(order == 0).argmax(0)[None], others])
        taken = member * len(size) + np.arange(len(size))
        return cls(order=order, size=size, taken=taken, failed=failed)

    def pool(self, values: Array, truth: Array) -> Array:
        """Members of each pool in its order, (n, B) and (B,) -> (n + 1, B); NaN is no member."""
        members = np.concatenate([truth[None], values[: len(self.order) - 1]])
        ordered = np.take_along_axis(members, self.order, 0)
        none = (np.arange(len(ordered))[:, None] >= self.size) | self.failed
        return np.where(none, np.nan, ordered)

    def ranks(self, pool: Array) -> Array:
        """(rank + 1/2) / size of every member in its pool, with shape (n + 1, B).

        Those of an observation that failed are in the order of the pool, which is random.
        """
        order = np.argsort(pool, axis=0, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(len(pool))[:, None], 0)
        return np.asarray((ranks + 0.5) / self.size)

    def take(self, values: Array) -> Array:
        """Values of the members taken for the truth, (n + 1, B) -> (R + 1, B)."""
        return np.asarray(values.ravel().take(self.taken))

    def at_truth(self, values: Array) -> Array:
        """Values of the truths, (n + 1, B) -> (B,)."""
        return np.asarray(values.ravel().take(self.taken[0]))


def largest(z: Array) -> tuple[float, float]:
    """The largest |z| of (R + 1, ...), whose first row is observed, and its p-value."""
    peaks = np.abs(z.reshape(len(z), -1)).max(1)
    observed, rest = float(peaks[0]), np.sort(peaks[1:])
    edge = float(rest[-TAIL])
    if observed > edge:
        excess = scipy.stats.norm.logsf(observed) - scipy.stats.norm.logsf(edge)
        return observed, float(TAIL / len(z) * np.exp(excess))
    return observed, float((1 + np.sum(rest >= observed)) / len(z))
