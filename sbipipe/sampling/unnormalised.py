"""An unnormalised log-density at many observations: evaluated, normalised, and its failures.

A likelihood, a ratio or a bound `l(theta, x)` gives the posterior

    log p(theta | x) = l(theta, x) + log p(theta) - log Z(x),   Z = E_prior[exp l].

`FromDensity` holds what all ways of drawing from it share; each way adds log Z and the draws. An
observation that cannot be sampled has NaN draws and an effective sample size of zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sbipipe.interfaces import Array, Generator, Mask, Samples
from sbipipe.progress import at_once, blocks, spend
from sbipipe.protocols import Prior

Unnormalised = Callable[[Array, Array], Array]
"""`(theta, x) -> log density up to the prior and a constant`, (n, B, D), (B, ...) -> (n, B)."""

NUMBERS = 2**24
"""Bound on (pairs of theta and x) x (numbers in one x) that a density is given at once."""

PAIRS = 2**17
"""Bound on the pairs themselves."""

_DISAGREEMENT = 0.1
"""Nats between two estimates of log Z."""

BLOCK = 256
"""Observations that are worked on together."""


def evaluate(log_density: Unnormalised, theta: Array, x: Array, *, several: int = 0) -> Array:
    """The log density of theta (n, B, D) given x (B, ...) in bounded memory, with shape (n, B).

    Args:
        several: It gives so many numbers for each, with shape (several, n, B).
    """
    n, observations = theta.shape[:2]
    pairs = int(np.clip(NUMBERS // max(1, x[:1].size), 1, PAIRS))
    rows = min(max(observations, 1), pairs)
    points = max(1, pairs // rows)
    values = np.empty((*[several] * (several > 0), n, observations))
    for b in range(0, observations, rows):
        for i in range(0, n, points):
            part = theta[i : i + points, b : b + rows]
            values[..., i : i + points, b : b + rows] = log_density(part, x[b : b + rows])
            spend(part.shape[0] * part.shape[1])
    return values


def agree(log_evidence: Array, other: Array, error: Array) -> Mask:
    """Whether two estimates of log Z may be of one Z, with shape (b,); not where one is NaN.

    Args:
        error: The standard error of the first.
    """
    with np.errstate(invalid="ignore"):
        away = np.abs(other - log_evidence)
    return np.asarray(away <= np.maximum(_DISAGREEMENT, 4 * error))


@dataclass(kw_only=True)
class FromDensity(ABC):
    """What all ways share: blocks of observations, failures and the normalised density.

    How far one is, is known by the evaluations of the density at an observation (`progress`).
    """

    log_density: Unnormalised
    prior: Prior
    x: Array
    log_evidence: Array = field(init=False)
    """log Z in nats, with shape (B,); NaN for an observation that could not be sampled."""

    def __post_init__(self) -> None:
        self.log_evidence = np.full(len(self.x), np.nan)
        for rows in blocks(len(self.x), BLOCK, "finding posteriors", self._search):
            self.log_evidence[rows] = self._prepare(rows)

    @property
    @abstractmethod
    def _search(self) -> float:
        """About so many evaluations prepare an observation."""

    @property
    def _per_draw(self) -> float:
        """About so many evaluations give a draw."""
        return 1.0

    @abstractmethod
    def _prepare(self, rows: slice) -> Array:
        """Do the work that all draws share; returns log Z of these observations."""

    @abstractmethod
    def _draw(self, rows: slice, n: int, rng: Generator) -> tuple[Array, Array, Array]:
        """Draws (n, b, D), their l (n, b) and effective sample sizes (b,)."""

    @property
    def failed(self) -> Mask:
        """Observations that could not be sampled, with shape (B,)."""
        return np.asarray(~np.isfinite(self.log_evidence))

    def sample(self, n: int, rng: Generator) -> Samples:
        """n draws for each observation, shuffled."""
        every = blocks(len(self.x), BLOCK, "drawing", n * self._per_draw)
        parts = [self._draw(rows, n, rng) for rows in every]
        theta = np.concatenate([part[0] for part in parts], 1)
        log_prob = np.concatenate([part[1] for part in parts], 1) - self.log_evidence
        log_prob += self.prior.log_prob(theta)
        size = np.minimum(np.concatenate([part[2] for part in parts]), n)
        lost = self.failed | ~np.isfinite(log_prob).all(0)
        theta[:, lost], log_prob[:, lost], size[lost] = np.nan, np.nan, 0.0
        return Samples(draws=theta, log_prob=log_prob, effective_sample_size=size)

    def log_prob(self, theta: Array) -> Array:
        """Normalised log density in nats, (n, B, D) -> (n, B)."""
        inside = self.prior.inside(theta)
        middle = self.prior.from_unit(np.full(theta.shape[-1], 0.5))
        safe = np.where(inside[..., None], theta, middle)
        with at_once(len(self.x), "densities", each=len(theta)):
            values = evaluate(self.log_density, safe, self.x) - self.log_evidence
        values = np.where(inside, values + self.prior.log_prob(safe), -np.inf)
        return np.where(self.failed, np.nan, values)


__all__ = ["FromDensity", "Unnormalised", "agree", "evaluate"]
