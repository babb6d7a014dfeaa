"""What a recalibration gains or costs: nats at the truth, and what 68 % regions hold.

Rows of one simulation are not independent, so errors are those of a mean over simulations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Dataset, Index

LEVEL = 0.68
"""The mass of the regions that are counted."""


def price(gained: Array, without: Array, rank: tuple[Array, Array], group: Index) -> dict[str, Any]:
    """Figures for a person; None where one is not finite, as where q is zero at a truth.

    Args:
        gained: log q' - log q at the truth, with shape (N,).
        without: log q at the truth, with shape (N,).
        rank: The level of the truth without and with the recalibration, each with shape (N,).
        group: The simulation of each row, with shape (N,).
    """
    before, after = rank
    return {
        "nats_gained": finite(gained.mean()),
        "nats_gained_error": finite(standard_error(gained, group)),
        "mean_log_density_at_truth_without_it": finite(without.mean()),
        "mean_log_density_at_truth_with_it": finite((without + gained).mean()),
        "share_in_68_%_regions_without_it": float((before < LEVEL).mean()),
        "share_in_68_%_regions_with_it": float((after < LEVEL).mean()),
        "simulations": len(np.unique(group)),
    }


def idle(
    mends: Mapping[str, str],
    notes: Mapping[str, Mapping[str, Any]],
    published: Mapping[str, bool],
) -> dict[str, str]:
    """The recalibrations that changed nothing worth having, with what they mend: the posterior is
    that of the other, and need not be shown twice. One that is published alone, or withheld alone,
    is none of them.

    Args:
        mends: What each recalibration mends.
        notes: What each says of itself; `worth_having` is whether it pays, where it knows.
        published: Whether an estimator is published.
    """
    return {
        name: of
        for name, of in mends.items()
        if notes[name].get("worth_having") is False and published.get(name) == published.get(of)
    }


def standard_error(values: Array, group: Index) -> float:
    """Of the mean of values (N,), of which only those of different groups are independent."""
    _, place = np.unique(group, return_inverse=True)
    sums = np.bincount(place, values - values.mean())
    return float(np.sqrt((sums**2).sum()) / len(values))


def finite(value: Any) -> float | None:
    """A number, or None in its place where a file could not hold it."""
    return float(value) if np.isfinite(value) else None


def some(rows: Dataset, most: int) -> Dataset:
    """At most so many rows, evenly chosen."""
    return rows.rows(evenly(len(rows), most))


__all__ = ["finite", "idle", "price", "some", "standard_error"]
