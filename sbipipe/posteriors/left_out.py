"""How many terms a correction of posteriors has: as many as pay in simulations left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import GroupKFold

from sbipipe.interfaces import Array, Index
from sbipipe.posteriors.price import standard_error

FOLDS = 10
"""Parts of the simulations, each of which is left out once."""


def folds(group: Index, seed: int) -> Iterator[tuple[Index, Index]]:
    """The rows that are kept, and those that are left out, whose simulations are (N,)."""
    split = GroupKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    yield from split.split(np.zeros(len(group)), groups=group)


def enough(gains: Array, group: Index, first: int = 0, errors: float = 1.0) -> int:
    """The number of terms, from what 0, 1, ..., K of them gain in each row (K + 1, N): `first`, and
    more where they gain more than so many of their standard errors on top."""
    best = first
    for k in range(first + 1, len(gains)):
        more = gains[k] - gains[best]
        best = k if more.mean() > errors * standard_error(more, group) else best
    return best


__all__ = ["FOLDS", "enough", "folds"]
