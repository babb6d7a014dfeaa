"""Some of many rows, spread over all of them."""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Index


def evenly(number: int, most: int) -> Index:
    """Which rows of so many to take: `most` of them, or all, at equal distances.

    Returns:
        Their numbers in rising order, the first and the last row among them.
    """
    return np.asarray(np.linspace(0, max(number - 1, 0), min(most, number)).astype(int))


__all__ = ["evenly"]
