r"""How far a posterior may be believed: one power for all observations.

A likelihood that misses correlations, a flow that has seen too few rows: such posteriors are too
sharp. With l = log p(theta | x) - log p(theta), raised to the power b, they become

    p_b(theta | x) = p(theta) exp(b l(theta, x)) / Z_b(x),

and the strength b is the one with the highest mean of log p_b at the true parameters of
`calibrate`. One number cannot mend a bias, nor an error that differs between observations: the gate
judges.

**Z_b for every b.** Points come from the posterior itself (b = 1), from the prior (b = 0) and from
mixtures of Student's t around the posterior's draws, as much wider as a normal is at the powers
between. Together they have the density q, the mean of the four (the balance heuristic of Veach &
Guibas 1995), so that

    Z_b(x) = mean over the points of  p(theta) exp(b l(theta, x)) / q(theta | x)

holds for every b, however narrow the posterior is within the prior, and costs one evaluation of l
at each point. The mended posterior is drawn and normalised by `sbipipe.sampling`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Dataset, History, Run, Weights
from sbipipe.progress import at_once, phase
from sbipipe.protocols import Conditioned, Guided, Posterior, Prior, Proposing
from sbipipe.records import InputError, Positive, plugin
from sbipipe.sampling.condition import condition
from sbipipe.sampling.mixture import COMPONENTS, Mixture, around
from sbipipe.sampling.near import Proposal
from sbipipe.sampling.particles import log_normal
from sbipipe.sampling.unnormalised import evaluate
from sbipipe.seeds import stream

BETWEEN = (0.1, 0.3)
"""Powers between the prior's and the posterior's whose width a mixture has."""

PER_COMPONENT = 8
"""At least so many draws for each parameter and component of a mixture."""

_STEP = 0.02
"""Relative, for derivatives with respect to the power."""


@plugin
class Tempered:
    """One power, fitted on `calibrate`.

    Attributes:
        rows: Rows of `calibrate` that the power is fitted to, at most.
        points: Points drawn from the posterior, the prior and each mixture for each of them.
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
        kept = evenly(len(calibrate), self.rows)
        rows = calibrate.rows(kept)
        with phase("strength"):
            likelihoods = _likelihoods(posterior, rows, prior, self.points, run.seed)
            strength = likelihoods.strength(self.least, self.most)
        error = likelihoods.strength_error(strength)
        notes: dict[str, Any] = {
            "strength": strength,
            "strength_error": error,
            "worth_having": bool(abs(strength - 1) > error),
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
    """`_Likelihoods` of the rows that have a posterior; an InputError if none has."""
    own = posterior.at(rows.x).sample(points, stream(seed, "points"))
    known = np.asarray(np.isfinite(own.draws).all((0, 2)) & np.isfinite(own.log_prob).all(0))
    if not known.any():
        raise InputError("calibrate: given no row that has a posterior; allowed: at least one")
    rows, u = rows.rows(known), prior.to_unbounded(own.draws[:, known])
    mixtures = _mixtures(u, seed)
    at_prior = stream(seed, "prior").standard_normal(u.shape)
    noise = [stream(seed, "between", i) for i in range(len(mixtures))]
    wider = [one.sample(points, rng) for one, rng in zip(mixtures, noise, strict=True)]
    where = np.concatenate([u, at_prior, *wider])

    digest = posterior.digest(rows.x)
    with at_once(len(digest), "densities at points", each=len(where)):
        values = evaluate(posterior.log_ratio, prior.from_unbounded(where), digest)
    truth = evaluate(posterior.log_ratio, rows.theta[None], digest)[0]
    posterior_over_prior = own.log_prob[:, known] - prior.log_prob(own.draws[:, known])
    log_evidence = np.median(values[:points] - posterior_over_prior, 0)
    densities = [values - log_evidence, np.zeros(values.shape)]
    densities += [one.log_prob(where) - log_normal(where) for one in mixtures]
    log_weight = np.log(len(densities)) - logsumexp(densities, axis=0)
    kept = np.isfinite(truth) & ~np.isnan(values).any(0)
    return _Likelihoods(
        at_points=values[:, kept], log_weight=log_weight[:, kept], truth=truth[kept]
    )


def _mixtures(u: Array, seed: int) -> list[Mixture]:
    """Densities around draws (n, B, D), as wide as the powers between ask for."""
    components = int(np.clip(len(u) // (PER_COMPONENT * u.shape[-1]), 1, COMPONENTS))
    one = around(u, np.ones(u.shape[:2]), components, stream(seed, "mixture"))
    return [one.wider(power**-0.5) for power in BETWEEN]


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
        own, proposal = self.posterior, None
        if isinstance(own, Proposing):
            proposal = Proposal(draws=own.propose, log_ratios=own.log_ratios)
            proposal = proposal.tempered(self.strength)
        near = own.near if isinstance(own, Guided) else None
        return condition(self.log_ratio, self.prior, self.digest(x), near, proposal)

    @property
    def weights(self) -> Weights:
        return Weights(arrays={"strength": np.array([self.strength])})


__all__ = ["Tempered"]
