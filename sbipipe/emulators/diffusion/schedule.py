r"""Which noise levels are trained on, and which make up the bound.

A *density* over lambda, the log signal-to-noise ratio, says where levels are drawn. `linear` is
flat between the ends of the fields' reach, so that the plain mean of |eps - eps_hat|^2 is the bound
itself. `learned` follows the fields: with v(lambda) the share of the noise that the best linear
denoiser leaves unexplained, levels are drawn as sqrt(v (1 - v)), which vanishes where the noise can
be told exactly and where nothing can be told, and has a floor. `discrete` is a Markov chain of
`steps` levels with

    alpha_t^2 = prod_{t' <= t} (1 - beta_t'),

of Nichol & Dhariwal's cosine shape (arXiv 2102.09672) or with the root of beta rising linearly
("quadratic"); the published model of CAMELS fields has 1,000 steps of a non-linear schedule (Mudur
et al. 2023) without saying which.

**Levels of the bound.** In continuous time the weight of |eps - eps_hat|^2 / 2 is d lambda, so L
levels drawn from a density p weigh 1 / (L p). On the chain the term L_t, t >= 1, weighs
SNR_t / SNR_{t+1} - 1, and the reconstruction term L_0 with a Gaussian decoder of variance beta_1
weighs 1 / alpha_1^2 (Ho et al. 2020, arXiv 2006.11239). `terms` takes all levels or a subset of the
chain's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from sbipipe.interfaces import Array, Generator
from sbipipe.records import Count, plugin

_FLOOR = 0.1
"""Share of levels that the learned density spreads evenly."""


class Levels(NamedTuple):
    """Noise levels of a bound.

    Attributes:
        log_snr: With shape (L,).
        weight: Of |eps - eps_hat|^2 / 2 at each, with shape (L,).
    """

    log_snr: Array
    weight: Array


@dataclass(frozen=True)
class Density:
    """A piecewise constant density of levels.

    Args:
        log_snr: Ends of the pieces, rising, with shape (K,).
        share: Probability of each piece, with shape (K - 1,); needs no normalisation.
    """

    log_snr: Array
    share: Array

    def quantile(self, q: Array) -> Array:
        """Levels at these quantiles."""
        cumulated = np.concatenate([[0.0], np.cumsum(self.share)]) / np.sum(self.share)
        return np.interp(q, cumulated, self.log_snr)

    def density(self, log_snr: Array) -> Array:
        """Probability per unit of lambda."""
        height = self.share / np.sum(self.share) / np.diff(self.log_snr)
        return np.asarray(height[np.searchsorted(self.log_snr[1:-1], log_snr, side="right")])

    def levels(self, count: int, rng: Generator) -> Levels:
        """Levels of the whole bound: one from each of `count` equally probable strata."""
        log_snr = self.quantile((np.arange(count) + rng.random(count)) / count)
        return Levels(log_snr, 1 / (count * self.density(log_snr)))


@plugin
class Linear:
    """Levels spread evenly over the fields' reach."""

    kind: Literal["linear"] = "linear"

    def density(self, log_snr: Array, unexplained: Array) -> Density:
        """Over knots (K,); the shares v (K,) play no part."""
        return Density(log_snr, np.diff(log_snr))


@plugin
class Learned:
    """Levels where the fields have something to tell."""

    kind: Literal["learned"] = "learned"

    def density(self, log_snr: Array, unexplained: Array) -> Density:
        """Over knots (K,), from the share of the noise unexplained at each, (K,)."""
        v = np.clip(unexplained, 0.0, 1.0)
        height = np.sqrt(v * (1 - v))
        share = (height[1:] + height[:-1]) / 2 * np.diff(log_snr)
        even = np.diff(log_snr) / (log_snr[-1] - log_snr[0])
        return Density(log_snr, (1 - _FLOOR) * share / share.sum() + _FLOOR * even)


@plugin
class Discrete:
    """A Markov chain of levels.

    Attributes:
        steps: The number T of steps.
        shape: The shape of beta.
    """

    kind: Literal["discrete"] = "discrete"
    steps: Annotated[int, Field(ge=2)] = 1000
    shape: Literal["cosine", "quadratic"] = "cosine"

    @property
    def log_snr(self) -> Array:
        """Falling, for t = 1 to T."""
        log_alpha2 = np.cumsum(np.log1p(-self._beta))
        return np.asarray(log_alpha2 - np.log(-np.expm1(log_alpha2)))

    @property
    def _beta(self) -> Array:
        t = np.arange(self.steps + 1) / self.steps
        if self.shape == "quadratic":
            scale = 1000 / self.steps
            return np.linspace((1e-4 * scale) ** 0.5, (0.02 * scale) ** 0.5, self.steps) ** 2
        alpha2 = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
        return np.asarray(np.clip(1 - alpha2[1:] / alpha2[:-1], 0, 0.999))

    def density(self, log_snr: Array, unexplained: Array) -> Density:
        """Every step of the chain alike, as far as it lies between the ends of the knots (K,)."""
        ends = np.clip(self.log_snr[::-1], log_snr[0], log_snr[-1])
        inside = np.unique(ends)
        if len(inside) < 2:
            inside = log_snr[[0, -1]]
        return Density(inside, np.ones(len(inside) - 1))

    def levels(self, terms: tuple[int, ...]) -> Levels:
        """The terms L_t of the chain's bound, t from 0 to T - 1."""
        weights = np.concatenate(
            [[1 / (1 - self._beta[0])], np.expm1(self.log_snr[:-1] - self.log_snr[1:])]
        )
        index = np.asarray(terms)
        return Levels(self.log_snr[index], weights[index])


Schedule = Annotated[Linear | Learned | Discrete, Field(discriminator="kind")]
Terms = Literal["all", "first_20", "l0"] | tuple[Count, ...]

SUBSETS: dict[str, tuple[int, ...]] = {"first_20": tuple(range(20)), "l0": (0,)}

__all__ = ["SUBSETS", "Density", "Discrete", "Learned", "Levels", "Linear", "Schedule", "Terms"]
