"""Densities near a posterior: where a search for it begins, or what draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sbipipe.interfaces import Array, Generator
from sbipipe.seeds import stream

Near = Callable[[Array], Array]
"""Draws u (n, B, D), in the unbounded space, of densities near the posteriors of observations
(B, ...)."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A density q(u | x) that is known, and so near the posterior that its draws may be weighed.

    Attributes:
        draws: `(n, x (B, ...), rng)`, its draws u (n, B, D) in the unbounded space.
        log_ratios: `(theta (n, B, D), x (B, ...))`, the log density that a search is for, and
            log q(u | x) - log N(u; 0, I), with shape (2, n, B).
        covers: Whether no part of the posterior can be where q is not, as where it is a power of q.
    """

    draws: Callable[[int, Array, Generator], Array]
    log_ratios: Callable[[Array, Array], Array]
    covers: bool = False


def begin(near: Near, x: Array) -> Array:
    """Draws u (n, B, D) near the posteriors of observations x (B, ...). Those of an observation for
    which `near` gives some that are not finite come from the prior."""
    draws = np.array(near(x))
    lost = ~np.isfinite(draws).all((0, 2))
    draws[:, lost] = stream(0, "near").standard_normal((len(draws), 1, draws.shape[2]))
    return draws


__all__ = ["Near", "Proposal", "begin"]
