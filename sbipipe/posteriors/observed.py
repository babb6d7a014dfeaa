"""A posterior of summaries, as one of the fields that they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sbipipe.interfaces import Array, Weights
from sbipipe.protocols import Conditioned, Posterior


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A `Posterior` that makes its own summary of what it is given.

    Attributes:
        posterior: The posterior of summaries.
        observe: The summary, (B, ...) -> (B, ...).
    """

    posterior: Posterior
    observe: Callable[[Array], Array]

    def at(self, x: Array) -> Conditioned:
        return self.posterior.at(self.observe(x))

    def digest(self, x: Array) -> Array:
        return self.posterior.digest(self.observe(x))

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        return self.posterior.log_ratio(theta, digest)

    @property
    def weights(self) -> Weights:
        return self.posterior.weights


__all__ = ["Observed"]
