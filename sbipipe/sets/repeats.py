"""Rows that are not what they seem: copies, parameters that never vary or lie on an edge, and data
that are a parameter.

Splits are of groups. Where rows of one simulation have several groups, or a file holds some rows
twice, `test` asks for what was learned on `train`. Data of whole numbers may be equal by chance,
and are no copies for that. Lines name rows by their numbers in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Dataset, Fields, Index
from sbipipe.protocols import Prior

EDGE = 1e-12
"""The share of a prior that lies on its edge."""

FEWEST = 20
"""Rows that are not in order by chance."""


def constant(theta: Array, names: tuple[str, ...]) -> Iterator[str]:
    """A line for each parameter of (N, D) that has one value."""
    for name, column in zip(names, theta.T, strict=True):
        if column.min() == column.max():
            yield f"theta: given {column[0]:.9g} for {name} in all rows; allowed: different values"


def ungrouped(theta: Array) -> Iterator[str]:
    """A line where rows (N, D) without groups must be several of each simulation.

    Rounding makes some equal, so there have to be two for each theta. That all are is another
    problem (`constant`). Rows with NaN are passed over.
    """
    index = np.flatnonzero(np.isfinite(theta).all(1))
    same = _numbered(theta[index])
    distinct = int(same.max(initial=0)) + 1
    if 1 < distinct <= len(same) / 2:
        first, second = index[_first_pair(same)]
        yield (
            f"group: missing, while {len(same)} rows have {distinct} different theta (rows "
            f"{first} and {second} have the same); allowed: a group for each row, the simulation "
            "that it came from, or a number of its own where it is independent"
        )


def copied(rows: Dataset, index: Index) -> Iterator[str]:
    """A line where rows of different groups are equal in theta and x.

    Args:
        index: The number of each row in its file, with shape (N,).
    """
    same = _numbered(rows.theta)
    shared = _shared(same, rows.group)
    if not len(shared) or not _continuous(rows.x):
        return
    both = _numbered(np.column_stack([same[shared], _hashes(rows.x[shared])]))
    copies = shared[_shared(both, rows.group[shared])]
    if len(copies):
        first, second = index[shared[_first_pair(both)]]
        yield (
            f"theta and x: {len(copies)} rows have a copy in another group, the first are rows "
            f"{first} and {second}; allowed: one group for both, or one of the two"
        )


def shared_theta(rows: Dataset, index: Index) -> Iterator[str]:
    """A remark where rows of different groups have equal theta; `index` as for `copied`."""
    same = _numbered(rows.theta)
    shared = _shared(same, rows.group)
    if len(shared):
        first, second = index[shared[_first_pair(same[shared])]]
        yield (
            f"theta: {len(shared)} rows have the theta of a row of another group, the first are "
            f"rows {first} and {second}; rows of one simulation need one group"
        )


def shared_x(rows: Dataset, index: Index) -> Iterator[str]:
    """A remark where rows of different theta have equal x; `index` as for `copied`."""
    if not _continuous(rows.x):
        return
    same = _numbered(_hashes(rows.x)[:, None])
    shared = _shared(same, _numbered(rows.theta))
    if len(shared):
        first, second = index[shared[_first_pair(same[shared])]]
        yield (
            f"x: {len(shared)} rows have the x of a row of another theta, the first are rows "
            f"{first} and {second}"
        )


def on_the_edge(theta: Array, prior: Prior) -> Iterator[str]:
    """A remark for each parameter with values on the edge of its prior, whose images
    u = Phi^-1(F(theta)) lie far out."""
    for name, q in zip(prior.names, prior.to_unit(theta).T, strict=True):
        rows = np.flatnonzero(np.minimum(q, 1 - q) < EDGE)
        if len(rows):
            yield (
                f"theta: {len(rows)} rows lie on the edge of the prior of {name}, the first is row "
                f"{rows[0]}; estimators see them eight standard deviations away, and a prior "
                "that is wider by half a step of the design would take them in"
            )


def given_away(rows: Dataset, names: tuple[str, ...]) -> Iterator[str]:
    """A remark for each number of vectors that is a parameter, or rises or falls with one in all
    rows. Rounding may make some of them equal."""
    if isinstance(rows.data, Fields) or len(rows) < FEWEST:
        return
    for name, column in zip(names, rows.theta.T, strict=True):
        order = np.argsort(column)
        some = _following(rows.x[order[evenly(len(rows), FEWEST)]])
        for i in some[_following(rows.x[np.ix_(order, some)])]:
            yield (
                f"x: number {i} tells {name} exactly, as one follows the other in all {len(rows)} "
                "rows; a density of it has no bound, and training may go on to its last step; "
                f"leave number {i} out, or {name}"
            )


def _following(x: Array) -> Index:
    """Which columns of (N, L) rise all the way, or fall, and stand still for less than half."""
    steps = np.diff(x, axis=0)
    one_way = (steps >= 0).all(0) | (steps <= 0).all(0)
    return np.flatnonzero(one_way & ((steps != 0).mean(0) > 0.5))


def _numbered(rows: Array | Index) -> Index:
    """A number for each row (N, K), equal for equal rows."""
    import pandas as pd  # slow to import, and workers that simulate need none of it

    frame = pd.DataFrame(rows)
    return np.asarray(frame.groupby([*frame.columns], sort=False).ngroup(), np.int64)


def _shared(same: Index, group: Index) -> Index:
    """Which rows have the number of a row of another group."""
    order = np.lexsort((group, same))
    starts = np.flatnonzero(np.diff(same[order], prepend=-1))
    low, high = (least.reduceat(group[order], starts) for least in (np.minimum, np.maximum))
    return np.flatnonzero((low != high)[same])


def _first_pair(same: Index) -> Index:
    """The first row whose number another one has, and the first such other."""
    counts = np.bincount(same)
    first = np.flatnonzero(counts[same] > 1)[0]
    return np.flatnonzero(same == same[first])[:2]


def _continuous(x: Array) -> bool:
    """Whether data are anything but whole numbers."""
    return bool((x != np.round(x)).any())


def _hashes(x: Array) -> Index:
    """A number for each row of x, equal for equal ones."""
    digests = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in x)
    return np.frombuffer(b"".join(digests), np.int64)


__all__ = [
    "constant",
    "copied",
    "given_away",
    "on_the_edge",
    "shared_theta",
    "shared_x",
    "ungrouped",
]
