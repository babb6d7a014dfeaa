"""Where a search for a posterior begins: draws of a density near it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.seeds import stream

Near = Callable[[Array], Array]
"""Draws u (n, B, D), in the unbounded space, of densities near the posteriors of observations
(B, ...)."""


def begin(near: Near, x: Array) -> Array:
    """Draws u (n, B, D) near the posteriors of observations x (B, ...). Those of an observation for
    which `near` gives some that are not finite come from the prior."""
    draws = np.array(near(x))
    lost = ~np.isfinite(draws).all((0, 2))
    draws[:, lost] = stream(0, "near").standard_normal((len(draws), 1, draws.shape[2]))
    return draws


__all__ = ["Near", "begin"]
