r"""Log-likelihoods where a power is found: at draws for every power, and at the truth.

Points come from the posterior itself (b = 1), from the prior (b = 0) and from mixtures of Student's
t around the posterior's draws, as much wider as a normal is at the powers between. Together they
have the density q, the mean of the four (the balance heuristic of Veach & Guibas 1995), so that

    Z_b(x) = mean over the points of  p(theta) exp(b l(theta, x)) / q(theta | x)

holds for every b, however narrow the posterior is within the prior, and costs one evaluation of l
at each point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from sbipipe.interfaces import Array, Dataset, Index
from sbipipe.progress import at_once
from sbipipe.protocols import Posterior, Prior
from sbipipe.records import InputError
from sbipipe.sampling.mixture import COMPONENTS, Mixture, around
from sbipipe.sampling.particles import log_normal
from sbipipe.sampling.unnormalised import evaluate
from sbipipe.seeds import stream

BETWEEN = (0.1, 0.3)
"""Powers between the prior's and the posterior's whose width a mixture has."""

PER_COMPONENT = 8
"""At least so many draws for each parameter and component of a mixture."""

_STEP = 0.02
"""Relative, for derivatives with respect to the power."""


@dataclass(frozen=True, kw_only=True)
class Likelihoods:
    """l of B observations where it is needed.

    Attributes:
        at_points: At the points, with shape (n, B).
        log_weight: log p(theta) / q(theta | x) at the points, with shape (n, B).
        truth: At the true parameters, with shape (B,).
        draws: Draws of the posteriors themselves, with shape (points, B, D).
        row: Which of the rows they are, with shape (B,).
    """

    at_points: Array
    log_weight: Array
    truth: Array
    draws: Array
    row: Index

    def some(self, which: Index) -> Likelihoods:
        """Of some of the observations."""
        return Likelihoods(
            at_points=self.at_points[:, which],
            log_weight=self.log_weight[:, which],
            truth=self.truth[which],
            draws=self.draws[:, which],
            row=self.row[which],
        )

    def log_evidence(self, power: float | Array) -> Array:
        """log Z_b, with shape (B,), for one power or for one of each observation."""
        terms = power * self.at_points + self.log_weight
        return np.asarray(logsumexp(terms, axis=0) - np.log(len(terms)))

    def strength(self, least: float, most: float) -> float:
        """The b with the highest mean log p_b at the truth."""

        def cost(log_power: float) -> float:
            power = float(np.exp(log_power))
            return -float(self.gained(power).mean())

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
            self.gained(power)
            for power in (strength * (1 - _STEP), strength, strength * (1 + _STEP))
        )
        step = _STEP * strength
        curvature = float((high - 2 * middle + low).mean()) / step**2
        scatter = float(((high - low) / (2 * step)).std(ddof=1)) if len(low) > 1 else np.nan
        return float(scatter / np.sqrt(len(low)) / max(-curvature, np.finfo(float).tiny))

    def gained(self, power: float | Array) -> Array:
        """log p_b / p at the truth, with shape (B,)."""
        return np.asarray(power * self.truth - self.log_evidence(power))

    def slopes(self, power: Array) -> tuple[Array, Array]:
        """The first derivative of `gained` with respect to log b, and minus the expectation of the
        second, each with shape (B,)."""
        share = softmax(power * self.at_points + self.log_weight, axis=0)
        mean = (share * self.at_points).sum(0)
        variance = (share * (self.at_points - mean) ** 2).sum(0)
        return np.asarray(power * (self.truth - mean)), np.asarray(power**2 * variance)

    def coverage(self, power: float | Array, level: float) -> float:
        """The share of true parameters within the highest-density regions of p_b, relative to the
        prior."""
        mass = softmax(power * self.at_points + self.log_weight, axis=0)
        above = (mass * (self.at_points > self.truth)).sum(0)
        return float((above < level).mean())


def likelihoods(
    posterior: Posterior, rows: Dataset, prior: Prior, points: int, seed: int
) -> Likelihoods:
    """`Likelihoods` of the rows that have a posterior; an InputError if none has."""
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
    return Likelihoods(
        at_points=values[:, kept],
        log_weight=log_weight[:, kept],
        truth=truth[kept],
        draws=own.draws[:, known][:, kept],
        row=np.flatnonzero(known)[kept],
    )


def _mixtures(u: Array, seed: int) -> list[Mixture]:
    """Densities around draws (n, B, D), as wide as the powers between ask for."""
    components = int(np.clip(len(u) // (PER_COMPONENT * u.shape[-1]), 1, COMPONENTS))
    one = around(u, np.ones(u.shape[:2]), components, stream(seed, "mixture"))
    return [one.wider(power**-0.5) for power in BETWEEN]


__all__ = ["Likelihoods", "likelihoods"]
