"""A prior as one writes it in a notebook, and the one that draws were made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, cast

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.priors.as_drawn import AsDrawn, DeclaredPrior
from sbipipe.protocols import Prior, UnknownPrior
from sbipipe.records import parse
from sbipipe.seeds import number

Given = Prior | UnknownPrior | Mapping[str, Any] | None
"""A prior, a mapping as `params.yaml` has it in which a range `(low, high)` may stand for a uniform
parameter, or nothing."""


def declared(prior: Given) -> Prior | UnknownPrior:
    """What is declared of a prior.

    Args:
        prior: A range `(low, high)` is uniform; nothing stands for `{kind: as_drawn}`.

    Raises:
        InputError: Where it is none of the priors that there are.
    """
    if prior is None:
        return AsDrawn(kind="as_drawn")
    if not isinstance(prior, Mapping):
        return prior
    written = {
        name: _uniform(*map(float, value)) if _range(value) else value
        for name, value in prior.items()
    }
    kind: Any = DeclaredPrior
    return cast(Prior | UnknownPrior, parse(kind, written, "prior"))


def known(prior: Given, theta: Array, seed: int) -> Prior:
    """The prior, estimated from theta (N, D) where it is not known: one half is fitted, and the
    other one chooses how closely."""
    found = declared(prior)
    if not isinstance(found, UnknownPrior):
        return found
    order = np.random.default_rng(seed).permutation(len(theta))
    half = len(theta) // 2
    return found.fit(theta[order[half:]], theta[order[:half]], number(seed, "prior"))


def _uniform(low: float, high: float) -> dict[str, Any]:
    return {"kind": "uniform", "low": low, "high": high}


def _range(value: Any) -> bool:
    """Whether a value is two numbers."""
    pair = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    return pair and all(isinstance(one, Real) for one in value)


__all__ = ["Given", "declared", "known"]
