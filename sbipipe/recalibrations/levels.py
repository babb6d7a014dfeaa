r"""How much highest-density regions hold: one monotone map of their levels for all observations.

The level of theta is the mass of what a posterior q holds denser,

    alpha(theta; x) = q({t : q(t | x) > q(theta | x)} | x),

the smallest highest-density region with theta on its edge. It is uniform under q. The levels of the
true parameters of `calibrate` have a distribution F with density f instead, and the posterior

    q'(theta | x) = q(theta | x) f(alpha(theta; x))

is normalised, since E_q f(alpha) is the integral of f. A draw from q' is one from q, resampled with
the weight f(alpha). The mean of log f at the truth, what q' gains, is KL(F || uniform), the part of
KL(p || q) that levels can see. Regions and their levels are those of Harrison et al. (2015,
arXiv:1404.7735); conformal prediction takes quantiles of such levels (HPD-split: Izbicki, Shimizu &
Stern 2022, JMLR 23:87), and Chung, Char & Schneider (2024, ICML) resample by them. Here F has a
density, so that q' has one.

**What it mends.** If f rises nowhere faster than q falls with alpha, the regions of q' are those of
q, with F(alpha) for alpha; its levels at the truth are then uniform on average over observations.
So it is for a Gaussian of any width and any lambda below. Where the order does change, q' is
calibrated as far as alpha does not depend on x. A bias, or an error that differs between
observations, becomes a width on average: the gate judges.

**The family of f** is an exponential one (Neyman 1937, Skand. Aktuar. 20; Barron & Sheu 1991, Ann.
Stat. 19): log f = sum_k c_k t_k(alpha) - A(c). The first statistic t_1 is the chi-squared quantile
of alpha with D degrees of freedom; with it alone,

    f = (1 - lambda)^(D/2) exp(lambda t_1 / 2),    lambda = 1 - s^2,

is the density ratio of two Gaussians in D dimensions, q being s times as wide as the other: an
error of the width is mended exactly. t_1^2 follows, for the tails, then alpha, alpha^2, ... for
the bulk. How many are taken, and none is a choice, is decided by the likelihood of simulations left
out, in which a further one has to gain more than its standard error: few rows allow few terms. A
map that gains no more than that is not worth having, and says so (`worth_having`). The c_k maximise
the likelihood under a standard normal prior, worth one row.

**Levels from draws.** alpha is known by the rank of q(theta | x) among n draws from q, uniform on
{0, ..., n} under q. f is a table of n + 1 numbers with a mean of one, so q' is normalised for n
draws on average, and to about sd(f) / sqrt(n) for one observation. Beyond the last draw f is
constant: what is wrong farther out than one part in n is not seen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
import scipy
from pydantic import Field
from scipy import special
from scipy.optimize import minimize

from sbipipe.interfaces import (
    Array,
    Dataset,
    Generator,
    History,
    Index,
    Run,
    Samples,
    Weights,
)
from sbipipe.posteriors.left_out import enough, folds
from sbipipe.posteriors.price import price, some, standard_error
from sbipipe.progress import at_once, blocks, phase
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import InputError, Positive, plugin
from sbipipe.sampling.particles import counts, effective_size, pick, resample
from sbipipe.sampling.unnormalised import BLOCK, evaluate
from sbipipe.seeds import number, stream

_TOGETHER = 256
_POOL = (2, 16)


@plugin
class Levels:
    """A monotone map of levels, fitted on `calibrate`.

    Attributes:
        rows: The rows of `calibrate` that the map is fitted to, at most.
        points: The draws for each observation, among which a level is found.
        terms: The number of statistics in log f, at most.
        fewest: The simulations of `calibrate` that it needs: from 40, the width of two parameters
            is known to 8 %.
    """

    rows: Positive = 2000
    points: Annotated[int, Field(ge=256, le=65536)] = 2048
    terms: Annotated[int, Field(ge=1, le=6)] = 4

    fewest: ClassVar[int] = 40

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {"points": 1024}

    def fit(
        self, posterior: Posterior, calibrate: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Find the map.

        Raises:
            InputError: If fewer than `fewest` simulations have a posterior.
        """
        start = time.perf_counter()
        rows = some(calibrate, self.rows)
        rank, log_prob = _ranks_of_truth(posterior, rows, self.points)
        found = ~np.isnan(log_prob)
        rank, log_prob, group = rank[found], log_prob[found], rows.group[found]
        self._require(len(np.unique(group)))
        terms = _statistics(self.points, len(prior.names), self.terms)
        with phase("choosing terms"):
            gains, levels = _left_out(rank, group, terms, number(run.seed, "folds"))
        best = enough(gains, group, first=int(gains[1].mean() > 0))
        mended = _LevelledPosterior(
            posterior=posterior,
            prior=prior,
            log_f=_log_f(rank, terms[:, :best]),
            shape=posterior.digest(rows.x[:1]).shape[1:],
        )
        notes = {
            "terms": best,
            **price(gains[best], log_prob, (levels[0], levels[best]), group),
            "rows_without_a_posterior": int((~found).sum()),
            "worth_having": bool(gains[best].mean() > standard_error(gains[best], group)),
        }
        return mended, History(seconds=time.perf_counter() - start, notes=notes)

    def _require(self, simulations: int) -> None:
        if simulations < self.fewest:
            raise InputError(
                f"calibrate: given {simulations} simulations that have a posterior; "
                f"allowed for kind levels: at least {self.fewest}"
            )

    def restore(self, weights: Weights, posterior: Posterior, prior: Prior) -> Posterior:
        """The posterior with the map that these weights hold."""
        return _LevelledPosterior(
            posterior=posterior,
            prior=prior,
            log_f=np.asarray(weights.arrays["log_f"], np.float64),
            shape=tuple(weights.meta["digest"]),
        )


# Ranks among draws


def _reference(conditioned: Conditioned, points: int) -> Array:
    """Log densities of `points` draws for each of B observations, ascending, (points, B)."""
    rng = stream(0, "levels")
    sizes = np.diff([*range(0, points, _TOGETHER), points])
    parts = [conditioned.sample(int(size), rng).log_prob for size in sizes]
    return np.sort(np.concatenate(parts), 0)


def _ranks(reference: Array, log_prob: Array) -> Index:
    """How many of the reference draws (n, B) are denser than log_prob (m, B), with shape (m, B)."""
    columns = zip(reference.T, log_prob.T, strict=True)
    return len(reference) - np.stack([r.searchsorted(p, side="right") for r, p in columns], 1)


def _ranks_of_truth(posterior: Posterior, rows: Dataset, points: int) -> tuple[Index, Array]:
    """Ranks of the true parameters, and their log density, NaN where there is no posterior; each
    with shape (N,)."""
    ranks, densities = [np.zeros(0, int)], [np.zeros(0)]
    for part in blocks(len(rows), BLOCK, "levels of the truth", each=2 * points):
        block = rows.rows(part)
        conditioned = posterior.at(block.x)
        reference = _reference(conditioned, points)
        log_prob = conditioned.log_prob(block.theta[None])
        lost = np.isnan(reference).any(0) | np.isnan(log_prob[0])
        ranks.append(_ranks(reference, log_prob)[0])
        densities.append(np.where(lost, np.nan, log_prob[0]))
    return np.concatenate(ranks), np.concatenate(densities)


# The density f


def _statistics(points: int, dims: int, most: int) -> Array:
    """t_k at the middle of each rank, orthonormal, with shape (points + 1, most)."""
    alpha = (np.arange(points + 1) + 0.5) / (points + 1)
    width = scipy.stats.chi2(dims).ppf(alpha)
    columns = [np.ones_like(alpha), width, width**2]
    columns += [alpha**power for power in range(1, most - 1)]
    basis, _ = np.linalg.qr(np.stack(columns[: most + 1], 1))
    return np.asarray(basis[:, 1:] * np.sqrt(points + 1))


def _normalised(exponent: Array) -> Array:
    """log f from the sum over its statistics, (..., n + 1): f has a mean of one."""
    total = special.logsumexp(exponent, -1, keepdims=True) - np.log(exponent.shape[-1])
    return np.asarray(exponent - total)


def _log_f(rank: Index, terms: Array) -> Array:
    """The table log f (n + 1,) that is most likely given ranks (N,), with statistics (n + 1, K)."""
    seen, ranks = terms[rank].sum(0), len(rank)

    def cost(c: Array) -> tuple[float, Array]:
        log_f = _normalised(terms @ c)
        height = float((terms @ c - log_f)[0])
        expected = np.exp(log_f) @ terms / len(terms)
        return ranks * height - c @ seen + 0.5 * c @ c, ranks * expected - seen + c

    if not terms.shape[1]:
        return np.zeros(len(terms))
    found = minimize(cost, np.zeros(terms.shape[1]), jac=True, method="BFGS")
    return _normalised(terms @ found.x)


def _left_out(rank: Index, group: Index, terms: Array, seed: int) -> tuple[Array, Array]:
    """log f and F of each row, from the others, with 0 to K terms; each with shape (K + 1, N)."""
    most, rows = terms.shape[1], len(rank)
    gains, levels = np.zeros((most + 1, rows)), np.zeros((most + 1, rows))
    levels[0] = (rank + 0.5) / len(terms)
    for kept, left_out in folds(group, seed):
        for k in range(1, most + 1):
            log_f = _log_f(rank[kept], terms[:, :k])
            gains[k, left_out] = log_f[rank[left_out]]
            levels[k, left_out] = _distribution(log_f)[rank[left_out]]
    return gains, levels


def _distribution(log_f: Array) -> Array:
    """F at the middle of each rank."""
    f = np.exp(log_f)
    return np.asarray((f.cumsum() - 0.5 * f) / len(f))


# The mended posterior


@dataclass(frozen=True, kw_only=True)
class _LevelledPosterior:
    """q f(alpha).

    Attributes:
        log_f: The table, with shape (n + 1,).
        shape: Of one row of what the raw posterior makes of observations.
    """

    posterior: Posterior
    prior: Prior
    log_f: Array
    shape: tuple[int, ...]

    def digest(self, x: Array) -> Array:
        """The raw posterior's digest and the log ratios at its draws, ascending, (B, E + n)."""
        conditioned, digest = self.posterior.at(x), self.posterior.digest(x)
        points = len(self.log_f) - 1
        draws = conditioned.sample(points, stream(0, "levels")).draws
        densities = self._unnormalised(draws, digest)
        return np.concatenate([digest.reshape(len(x), -1), np.sort(densities, 0).T], 1)

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """log q f - log p up to a constant, (n, B, D) and (B, E + n) -> (n, B)."""
        raw = digest[:, : 1 - len(self.log_f)].reshape(len(digest), *self.shape)
        ratio = self.posterior.log_ratio(theta, raw)
        reference = digest[:, 1 - len(self.log_f) :].T
        return ratio + self.log_f[_ranks(reference, ratio + self.prior.log_prob(theta))]

    def _unnormalised(self, theta: Array, digest: Array) -> Array:
        return evaluate(self.posterior.log_ratio, theta, digest) + self.prior.log_prob(theta)

    def at(self, x: Array) -> Conditioned:
        conditioned, points = self.posterior.at(x), len(self.log_f) - 1
        with at_once(len(x), "levels of draws", each=2 * points):
            reference = _reference(conditioned, points)
        return _Levelled(conditioned=conditioned, reference=reference, log_f=self.log_f)

    @property
    def weights(self) -> Weights:
        return Weights(arrays={"log_f": self.log_f}, meta={"digest": list(self.shape)})


@dataclass(frozen=True, kw_only=True)
class _Levelled:
    """q f(alpha) of B observations.

    Attributes:
        conditioned: The raw posteriors q.
        reference: The log densities of n draws from each, ascending, with shape (n, B).
        log_f: The table, with shape (n + 1,).
    """

    conditioned: Conditioned
    reference: Array
    log_f: Array

    def sample(self, n: int, rng: Generator) -> Samples:
        """n of several times as many draws from q, fewer of them effective where f varies."""
        f = np.exp(self.log_f)
        pool = n * int(np.clip(np.ceil(2 * (f**2).mean()), *_POOL)) if np.ptp(f) else n
        raw = self.conditioned.sample(pool, rng)
        rank = _ranks(self.reference, raw.log_prob)
        weights = f[rank]
        index = resample(weights, n, rng)
        effective = effective_size(weights) * raw.effective_sample_size / pool
        repeated = n**2 / (counts(index, pool) ** 2).sum(0)
        return replace(
            raw,
            draws=pick(raw.draws, index),
            log_prob=pick(raw.log_prob + self.log_f[rank], index),
            effective_sample_size=np.minimum(effective, repeated),
        )

    def log_prob(self, theta: Array) -> Array:
        """Normalised log density in nats, (n, B, D) -> (n, B)."""
        raw = self.conditioned.log_prob(theta)
        return raw + self.log_f[_ranks(self.reference, raw)]


__all__ = ["Levels"]
