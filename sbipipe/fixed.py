"""A simulator some of whose parameters are fixed: it is given their columns, and nobody else is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from sbipipe.interfaces import Array, Data, Generator
from sbipipe.protocols import HasLikelihood, Prior, Simulator


@dataclass(frozen=True)
class Completed:
    """A `Simulator` of the parameters that are not fixed.

    Attributes:
        inner: The simulator of all of them.
    """

    inner: Simulator

    @property
    def prior(self) -> Prior:
        return self.inner.prior

    @property
    def maps(self) -> int:
        return self.inner.maps

    @property
    def data(self) -> Data:
        return self.inner.data

    def simulate(self, theta: Array, rng: Generator) -> Array:
        return self.inner.simulate(self.prior.complete(theta), rng)


@dataclass(frozen=True)
class CompletedWithLikelihood(Completed):
    """The same of a simulator whose likelihood is known."""

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        """log p(x | theta) in nats, (n, B, D) and (B, ...) -> (n, B)."""
        return cast(HasLikelihood, self.inner).log_likelihood(self.prior.complete(theta), x)


def completed(made: Any) -> Any:
    """A simulator of what is not fixed; itself, where nothing is, and a reader of files as well."""
    if not isinstance(made, Simulator) or not made.prior.fixed:
        return made
    if isinstance(made, HasLikelihood):
        return CompletedWithLikelihood(made)
    return Completed(made)


__all__ = ["Completed", "completed"]
