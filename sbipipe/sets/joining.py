"""Two sets of vectors of one simulator as one: row beside row.

A split that one of them was made without is empty in the joined set.
"""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Dataset, Vectors
from sbipipe.records import InputError


def join(one: tuple[str, Dataset], other: tuple[str, Dataset], *, where: str) -> Dataset:
    """The rows of both, by name.

    Args:
        where: The dotted key of the entry, for messages.

    Raises:
        InputError: If either holds fields, or their rows are not of the same simulations.
    """
    for key, (name, rows) in zip(("of", "beside"), (one, other), strict=True):
        if not isinstance(rows.data, Vectors):
            raise InputError(f"{where}.{key}: given {name!r}, which holds fields; allowed: vectors")
    (name, first), (other_name, second) = one, other
    if not len(first) or not len(second):
        first, second = first.rows(slice(0)), second.rows(slice(0))
    same = len(first) == len(second) and np.array_equal(first.group, second.group)
    if not same or not np.array_equal(first.theta, second.theta):
        raise InputError(
            f"{where}: the rows of {name!r} ({len(first)}) and {other_name!r} ({len(second)}) are "
            "not of the same fields; allowed: sets that hold the same rows (emulate.<name>.score)"
        )
    assert isinstance(first.data, Vectors)
    assert isinstance(second.data, Vectors)
    names = [f"{name}: {c}" for c in first.data.components]
    names += [f"{other_name}: {c}" for c in second.data.components]
    return Dataset(
        data=Vectors(components=tuple(names)),
        theta=first.theta,
        x=np.concatenate([first.x, second.x], 1),
        group=first.group,
    )
