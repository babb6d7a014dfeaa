"""A posterior that is drawn from as if it had learned something, and what its density costs.

After a few steps a network's density may be anything, and hard to sample. So the values of a normal
density are given in the place of its own: in u = Phi^-1(F(theta)), where the prior is a standard
normal, one of `WIDTH` at the middle. Its own are not found at all but counted, and what one of them
takes is measured apart. What is left to chance is how many of them a posterior of another shape
needs. Where a guide says where to look, it is asked, and one of its posterior's width answers; a
density that proposes draws is a fifth wider.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from sbipipe.interfaces import Array, Generator
from sbipipe.protocols import Guided, Posterior, Prior, Proposing
from sbipipe.seeds import stream

WIDTH = 0.3
"""The width of a typical posterior, in that of the prior."""

WIDER = 1.2
"""The width of a density that proposes draws, in that of the posterior."""

PAIRS = (2**6, 2**9, 2**13)
"""How many values of a density are found to measure what one takes, until that is long enough."""

ENOUGH = 0.2
"""Seconds that are long enough."""


@dataclass(kw_only=True)
class Typical:
    """A posterior in the place of one that has learned something.

    Attributes:
        posterior: What is drawn from.
        each: The seconds of one value of its density.
        asked: How many values were asked for so far.
    """

    posterior: Posterior
    each: float
    asked: int = field(default=0)

    def timed(self, work: Callable[[], Any]) -> tuple[Any, float]:
        """What `work` returns, and the seconds that it would take with the density itself."""
        before, start = self.asked, time.perf_counter()
        found = work()
        return found, time.perf_counter() - start + (self.asked - before) * self.each


def typical(posterior: Posterior, prior: Prior, x: Array) -> Typical:
    """The posterior with another `log_ratio`; one that is drawn from without it stays as it is.

    Args:
        x: Some observations, with shape (B, ...).
    """
    cls: type[Any] = type(posterior)
    found = Typical(posterior=posterior, each=_each(posterior, prior, x))

    def log_ratio(self: Any, theta: Array, digest: Array) -> Array:
        found.asked += theta.shape[0] * len(digest)
        return normal(theta, digest, WIDTH)

    def normal(theta: Array, digest: Array, width: float) -> Array:
        u = prior.to_unbounded(theta)
        return np.asarray(-0.5 * (width**-2 - 1) * (u**2).sum(-1)) + np.zeros(len(digest))

    def near(self: Any, digest: Array) -> Array:
        draws = posterior.near(digest)  # type: ignore[attr-defined]
        return np.asarray(WIDTH * stream(0, "near").standard_normal(draws.shape))

    def propose(self: Any, n: int, digest: Array, rng: Generator) -> Array:
        draws = posterior.propose(n, digest, rng)  # type: ignore[attr-defined]
        return np.asarray(WIDER * WIDTH * rng.standard_normal(draws.shape))

    def log_ratios(self: Any, theta: Array, digest: Array) -> Array:
        value = log_ratio(self, theta, digest)
        return np.stack([value, normal(theta, digest, WIDER * WIDTH)])

    other: dict[str, Any] = {"log_ratio": log_ratio}
    if isinstance(posterior, Guided):
        other["near"] = near
    if isinstance(posterior, Proposing):
        other |= {"propose": propose, "log_ratios": log_ratios}
    changed: Any = type(cls.__name__, (cls,), other)
    found.posterior = changed(**{one.name: getattr(posterior, one.name) for one in fields(cls)})
    return found


def _each(posterior: Posterior, prior: Prior, x: Array) -> float:
    """The seconds of one value of a density, once warm."""
    digest, seconds, pairs = posterior.digest(x), 0.0, 1
    for pairs in PAIRS:
        theta = prior.sample(pairs, stream(0, "trial")).reshape(-1, 1, len(prior.names))
        theta = np.repeat(theta[: max(1, pairs // len(x))], len(x), 1)
        posterior.log_ratio(theta[:1], digest)
        start = time.perf_counter()
        posterior.log_ratio(theta, digest)
        seconds, pairs = time.perf_counter() - start, theta.shape[0] * len(x)
        if seconds > ENOUGH:
            break
    return seconds / pairs


__all__ = ["Typical", "typical"]
