"""What a problem with a known posterior is."""

from __future__ import annotations

from typing import Protocol

from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior


class KnownPosterior(Protocol):
    """The exact posterior of one observation, by a route that trains nothing."""

    def sample(self, n: int, rng: Generator) -> Array:
        """Independent draws (n, D)."""

    def log_prob(self, theta: Array) -> Array:
        """Normalised log density in nats, (n, D) -> (n,); minus infinity outside the prior."""


class Problem(Protocol):
    """A simulator of vectors whose posterior is known."""

    @property
    def prior(self) -> ProductPrior:
        """The prior of theta."""

    def simulate(self, theta: Array, rng: Generator) -> Array:
        """Vectors (N, L) for theta (N, D)."""

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        """log p(x | theta) in nats for theta (n, D) and one x (L,), with shape (n,)."""

    def posterior(self, x: Array) -> KnownPosterior:
        """The exact posterior of one observation (L,)."""
