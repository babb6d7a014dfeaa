r"""How far a posterior may be believed: one power for all observations.

A likelihood that misses correlations, a flow that has seen too few rows: such posteriors are too
sharp. With l = log p(theta | x) - log p(theta), raised to the power b, they become

    p_b(theta | x) = p(theta) exp(b l(theta, x)) / Z_b(x),

and the strength b is the one with the highest mean of log p_b at the true parameters of
`calibrate`. One number cannot mend a bias, nor an error that differs between observations: the gate
judges.

**Z_b for every b.** Points are drawn from p_a for a few powers a, whose evidence `sbipipe.sampling`
knows, and from the prior; together they have the density q = mean_a p_a (the balance heuristic of
Veach & Guibas 1995), so that

    Z_b(x) = mean over the points of  p(theta) exp(b l(theta, x)) / q(theta | x)

holds for every b between, however narrow the posterior is within the prior. Points and Z_a come
from `sbipipe.sampling`, with which the mended posterior is drawn and normalised.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from sbipipe.interfaces import Array, Dataset, History, Run, Weights
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import InputError, Positive, plugin
from sbipipe.sampling.condition import condition
from sbipipe.sampling.unnormalised import evaluate
from sbipipe.seeds import stream

POWERS = (0.1, 0.3, 1.0)
"""Powers from which points are drawn, besides the prior."""

_STEP = 0.02
"""Relative, for derivatives with respect to the power."""


@plugin
class Tempered:
    """One power, fitted on `calibrate`.

    Attributes:
        rows: Rows of `calibrate` that the power is fitted to, at most.
        points: Points drawn from each power for each of them.
        least, most: The range in which the power is sought; one at its end is an error.
    """

    rows: Positive = 600
    points: Annotated[int, Field(ge=32)] = 256
    least: Annotated[float, Field(gt=0, lt=1)] = 0.02
    most: Annotated[float, Field(gt=1)] = 3.0

    def fit(
        self, posterior: Posterior, calibrate: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Find the power.

        Raises:
            InputError: If there is no row to fit it to, or the best power is none in the range.
        """
        start = time.perf_counter()
        kept = np.linspace(0, len(calibrate) - 1, min(self.rows, len(calibrate))).astype(int)
        likelihoods = _likelihoods(posterior, calibrate.rows(kept), prior, self.points, run.seed)
        if not len(likelihoods.truth):
            raise InputError("calibrate: given no row that has a posterior; allowed: at least one")
        strength = likelihoods.strength(self.least, self.most)
        notes: dict[str, Any] = {
            "strength": strength,
            "strength_error": likelihoods.strength_error(strength),
            "share_in_68_%_regions_without_it": likelihoods.coverage(1.0, 0.68),
            "share_with_it": likelihoods.coverage(strength, 0.68),
        }
        mended = _TemperedPosterior(posterior=posterior, prior=prior, strength=strength)
        return mended, History(seconds=time.perf_counter() - start, notes=notes)

    def restore(self, weights: Weights, posterior: Posterior, prior: Prior) -> Posterior:
        """The posterior with the power that these weights hold."""
        strength = float(weights.arrays["strength"][0])
        return _TemperedPosterior(posterior=posterior, prior=prior, strength=strength)


@dataclass(frozen=True, kw_only=True)
class _Likelihoods:
    """l of B observations where it is needed.

    Attributes:
        at_points: At the points, with shape (n, B).
        log_weight: log p(theta) / q(theta | x) at the points, with shape (n, B).
        truth: At the true parameters, with shape (B,).
    """

    at_points: Array
    log_weight: Array
    truth: Array

    def log_evidence(self, power: float) -> Array:
        """log Z_b, with shape (B,)."""
        terms = power * self.at_points + self.log_weight
        return np.asarray(logsumexp(terms, axis=0) - np.log(len(terms)))

    def strength(self, least: float, most: float) -> float:
        """The b with the highest mean log p_b at the truth."""

        def cost(log_power: float) -> float:
            power = float(np.exp(log_power))
            return float((self.log_evidence(power) - power * self.truth).mean())

        low, high = np.log(least), np.log(most)
        found = float(minimize_scalar(cost, bounds=(low, high), method="bounded").x)
        if min(found - low, high - found) < 0.01 * (high - low):
            raise InputError(
                f"config: the best strength is {np.exp(found):.3g}, at the end of the range from "
                f"{least:g} to {most:g}; a posterior so wrong is not mended by a power"
            )
        return float(np.exp(found))

    def strength_error(self, strength: float) -> float:
        """The standard error of the best b, from the scatter over observations of the slopes of
        log p_b at the truth and the curvature of their mean (the sandwich estimate)."""
        low, middle, high = (
            power * self.truth - self.log_evidence(power)
            for power in (strength * (1 - _STEP), strength, strength * (1 + _STEP))
        )
        step = _STEP * strength
        curvature = float((high - 2 * middle + low).mean()) / step**2
        scatter = float(((high - low) / (2 * step)).std(ddof=1)) if len(low) > 1 else np.nan
        return float(scatter / np.sqrt(len(low)) / max(-curvature, np.finfo(float).tiny))

    def coverage(self, power: float, level: float) -> float:
        """The share of true parameters within the highest-density regions of p_b, relative to the
        prior."""
        mass = softmax(power * self.at_points + self.log_weight, axis=0)
        above = (mass * (self.at_points > self.truth)).sum(0)
        return float((above < level).mean())


def _likelihoods(
    posterior: Posterior, rows: Dataset, prior: Prior, points: int, seed: int
) -> _Likelihoods:
    """`_Likelihoods` of the rows that have a posterior at every power."""
    digest = posterior.digest(rows.x)
    flat = [prior.sample(points * len(rows), stream(seed, "prior"))]
    theta = [flat[0].reshape(points, len(rows), -1)]
    powers = [_TemperedPosterior(posterior=posterior, prior=prior, strength=a) for a in POWERS]
    conditioned = [one.of_digest(digest) for one in powers]
    theta += [
        one.sample(points, stream(seed, "points", i)).draws for i, one in enumerate(conditioned)
    ]
    where = np.concatenate(theta)
    lost = ~np.isfinite(where).all((0, 2))
    where[:, lost] = prior.from_unit(np.full(where.shape[-1], 0.5))
    at_prior = prior.log_prob(where)
    densities = [at_prior, *(one.log_prob(where) for one in conditioned)]
    log_weight = at_prior - (logsumexp(densities, axis=0) - np.log(len(densities)))
    at_points = evaluate(posterior.log_ratio, where, digest)
    truth = evaluate(posterior.log_ratio, rows.theta[None], digest)[0]
    kept = ~lost & np.isfinite(truth) & ~np.isnan(at_points).any(0)
    return _Likelihoods(
        at_points=at_points[:, kept], log_weight=log_weight[:, kept], truth=truth[kept]
    )


@dataclass(frozen=True, kw_only=True)
class _TemperedPosterior:
    posterior: Posterior
    prior: Prior
    strength: float

    def digest(self, x: Array) -> Array:
        return self.posterior.digest(x)

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """b l, (n, B, D) and (B, ...) -> (n, B)."""
        return self.strength * self.posterior.log_ratio(theta, digest)

    def at(self, x: Array) -> Conditioned:
        return self.of_digest(self.digest(x))

    def of_digest(self, digest: Array) -> Conditioned:
        """The posterior of observations whose digest is known."""
        return condition(self.log_ratio, self.prior, digest)

    @property
    def weights(self) -> Weights:
        return Weights(arrays={"strength": np.array([self.strength])})


__all__ = ["Tempered"]
