"""A simulator some of whose parameters are fixed: it is given their columns, and nobody else is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sbipipe.interfaces import Array, Data, Generator


@dataclass(frozen=True)
class Completed:
    """A `Simulator` of the parameters that are not fixed.

    Attributes:
        inner: The simulator of all of them.
    """

    inner: Any

    @property
    def prior(self) -> Any:
        return self.inner.prior

    @property
    def maps(self) -> int:
        return int(self.inner.maps)

    @property
    def data(self) -> Data:
        found: Data = self.inner.data
        return found

    def simulate(self, theta: Array, rng: Generator) -> Array:
        found: Array = self.inner.simulate(self.prior.complete(theta), rng)
        return found


@dataclass(frozen=True)
class CompletedWithLikelihood(Completed):
    """The same of a simulator whose likelihood is known."""

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        """log p(x | theta) in nats, (n, B, D) and (B, ...) -> (n, B)."""
        found: Array = self.inner.log_likelihood(self.prior.complete(theta), x)
        return found


def completed(made: Any) -> Any:
    """A simulator of what is not fixed; itself, where nothing is, and whatever else is made."""
    if not hasattr(made, "simulate") or not made.prior.fixed:
        return made
    return CompletedWithLikelihood(made) if hasattr(made, "log_likelihood") else Completed(made)


def simulates(made: Any) -> type[Any]:
    """The class that simulates: that of the simulator of all parameters, where some are fixed."""
    return type(made.inner if isinstance(made, Completed) else made)


__all__ = ["Completed", "completed", "simulates"]
