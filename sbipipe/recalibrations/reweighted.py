r"""One posterior by draws from another: importance weights, and when to refuse them.

A proposal q is easy to draw from and perhaps rough; a target is known up to a constant, by

    l(theta; x) = log p(theta | x) - log p(theta) + log Z(x).

Draws from q with the weights

    w = p(theta) exp l(theta; x) / q(theta | x)

are draws from the target, and Z(x) = E_q w is its evidence: p(x), in nats, where l is a
log-likelihood, and else up to the constant that the target leaves open. So an NPE that is not exact
becomes, in one step, the posterior of a likelihood (Dax et al. 2023, PRL 130, 171403), with

    log p(theta | x) = l(theta; x) + log p(theta) - log Z(x).

The weights are Pareto-smoothed (`sampling.pareto`). Where their shape k-hat exceeds 0.7 the
proposal is too narrow, or elsewhere: that observation is refused, its draws are NaN, and the gate
counts it as failed. What q never reaches has no weight that could tell; a mode that it misses shows
in the target's calibration alone. The target is right where it is itself right: the gate judges.

Nothing is learned. On `calibrate` it is measured what becomes of the proposal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy import special

from sbipipe.interfaces import Array, Dataset, Generator, History, Mask, Run, Samples, Weights
from sbipipe.posteriors.price import price, some
from sbipipe.progress import phase
from sbipipe.protocols import Conditioned, Posterior, Prior, Recalibration
from sbipipe.records import Positive, plugin
from sbipipe.sampling.pareto import LARGEST_K, smooth
from sbipipe.sampling.particles import counts, effective_size, pick, relative, resample
from sbipipe.sampling.unnormalised import FromDensity, evaluate
from sbipipe.seeds import stream

_POOL = 4
_DRAWS = 500


@plugin
class Reweighted:
    """Importance weights towards the estimator that the entry names as its `target`.

    Attributes:
        points: The draws from the proposal by which each observation's evidence is known.
        rows: The rows of `calibrate` that are looked at, at most.
    """

    points: Annotated[int, Field(ge=256)] = 2048
    rows: Positive = 600

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {"points": 1024}

    def towards(self, target: Posterior) -> Recalibration:
        """The recalibration of any proposal."""
        return _Towards(target=target, points=self.points, rows=self.rows)


@dataclass(frozen=True, kw_only=True)
class _Towards:
    target: Posterior
    points: int
    rows: int

    def fit(
        self, posterior: Posterior, calibrate: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Learn nothing, and look at what becomes of the proposal on `calibrate`."""
        start = time.perf_counter()
        mended = self.restore(Weights(), posterior, prior)
        notes = _looked_at(mended, some(calibrate, self.rows), run.seed)
        return mended, History(seconds=time.perf_counter() - start, notes=notes)

    def restore(self, weights: Weights, posterior: Posterior, prior: Prior) -> _Reweighted:
        """The target by draws from this posterior."""
        return _Reweighted(proposal=posterior, target=self.target, prior=prior, points=self.points)


@dataclass(frozen=True, kw_only=True)
class _Reweighted:
    proposal: Posterior
    target: Posterior
    prior: Prior
    points: int

    def digest(self, x: Array) -> Array:
        """The target's."""
        return self.target.digest(x)

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """The target's."""
        return self.target.log_ratio(theta, digest)

    def at(self, x: Array) -> _Weighted:
        return _Weighted(
            log_density=self.target.log_ratio,
            prior=self.prior,
            x=self.target.digest(x),
            observed=x,
            proposal=self.proposal,
            points=self.points,
        )

    @property
    def weights(self) -> Weights:
        return Weights()


@dataclass(kw_only=True)
class _Weighted(FromDensity):
    """The target at B observations, by draws from the proposal.

    Attributes:
        observed: The observations as the proposal takes them, with shape (B, ...).
        proposal: What is drawn from.
        points: The draws that the evidence and k-hat are known by.
        k_hat: The Pareto shape of the weights of each observation, with shape (B,).
    """

    observed: Array
    proposal: Posterior
    points: int
    k_hat: Array = field(init=False)
    _proposals: dict[int, Conditioned] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.k_hat = np.full(len(self.x), np.nan)
        super().__post_init__()

    @property
    def _search(self) -> float:
        return 2 * self.points

    @property
    def _per_draw(self) -> float:
        return 2 * _POOL

    def _prepare(self, rows: slice) -> Array:
        proposal = self.proposal.at(self.observed[rows])
        self._proposals[rows.start] = proposal
        drawn = proposal.sample(self.points, stream(0, "reweighted", rows.start))
        _, log_weight, lost = self._weighed(rows, drawn)
        smoothed, k_hat = smooth(log_weight)
        self.k_hat[rows] = np.where(lost, np.nan, k_hat)
        log_evidence = special.logsumexp(smoothed, 0) - np.log(self.points)
        return np.where(lost | ~(k_hat <= LARGEST_K), np.nan, log_evidence)

    def _weighed(self, rows: slice, drawn: Samples) -> tuple[Array, Array, Mask]:
        """l of draws (n, b, D) and their log weights, each (n, b); and who has none, (b,)."""
        safe = np.where(np.isfinite(drawn.draws), drawn.draws, self._middle)
        value = evaluate(self.log_density, safe, self.x[rows])
        log_weight = value + self.prior.log_prob(safe) - drawn.log_prob
        lost = np.asarray(~(log_weight < np.inf).all(0) | ~np.isfinite(log_weight).any(0))
        log_weight[:, lost] = 0.0
        return value, log_weight, lost

    def _draw(self, rows: slice, n: int, rng: Generator) -> tuple[Array, Array, Array]:
        pool = _POOL * n
        drawn = self._proposals[rows.start].sample(pool, rng)
        value, log_weight, _ = self._weighed(rows, drawn)
        weights = relative(smooth(log_weight)[0])
        index = resample(weights, n, rng)
        effective = effective_size(weights) * drawn.effective_sample_size / pool
        repeated = n**2 / (counts(index, pool) ** 2).sum(0)
        return pick(drawn.draws, index), pick(value, index), np.minimum(effective, repeated)

    @property
    def _middle(self) -> Array:
        return self.prior.from_unit(np.full(len(self.prior.names), 0.5))

    def sample(self, n: int, rng: Generator) -> Samples:
        """n of several times as many draws from the proposal, and what their weights say."""
        figures = {"log_evidence": self.log_evidence, "pareto_k": self.k_hat}
        return replace(super().sample(n, rng), figures=figures)


def _looked_at(mended: _Reweighted, rows: Dataset, seed: int) -> dict[str, Any]:
    """What becomes of the proposal on some rows."""
    with phase("with weights"):
        conditioned = mended.at(rows.x)
    with phase("without weights"):
        raw = mended.proposal.at(rows.x)
    truth = np.stack([one.log_prob(rows.theta[None])[0] for one in (raw, conditioned)])
    drawn = []
    for name, one in (("without", raw), ("with", conditioned)):
        with phase(f"{name} weights"):
            drawn.append(one.sample(_DRAWS, stream(seed, name)))
    levels = [(one.log_prob > at).mean(0) for one, at in zip(drawn, truth, strict=True)]
    kept = ~np.isnan(truth).any(0)
    notes: dict[str, Any] = {
        "share_refused": float(conditioned.failed.mean()) if len(rows) else None,
        "median_pareto_k": _median(conditioned.k_hat),
        "median_effective_share": _median(drawn[1].effective_sample_size / _DRAWS),
    }
    if kept.any():
        without, gained = truth[0, kept], (truth[1] - truth[0])[kept]
        level = (levels[0][kept], levels[1][kept])
        notes |= price(gained, without, level, rows.group[kept])
    return notes | {"rows_without_a_posterior": int((~kept).sum())}


def _median(values: Array) -> float | None:
    """Of those that are finite, if any is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


__all__ = ["Reweighted"]
