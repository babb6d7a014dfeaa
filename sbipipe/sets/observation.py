"""A new observation: read from what a person brings, and checked before anything is inferred."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.records import InputError
from sbipipe.sets.observed_files import numbers_in


def read_observation(path: Path, shape: Sequence[int], row: int | None = None) -> Array:
    """One or several observations of the shape that an estimator was trained on.

    Args:
        path: What `numbers_in` reads.
        shape: Of one row of the training set: (C, *space) or (L,). Where the first is 1, the file
            may leave it out.
        row: Which of several observations to take, from 0; all where None.

    Returns:
        With shape (B, *shape).

    Raises:
        InputError: If the file is missing or damaged, or holds other shapes or values that are
            not finite.
    """
    observed = shaped(numbers_in(path), tuple(shape), str(path))
    if row is not None:
        if not 0 <= row < len(observed):
            raise InputError(f"--row: given {row}; allowed: 0 to {len(observed) - 1} ({path})")
        observed = observed[row : row + 1]
    return finite(observed, str(path))


def read_observations(
    files: Sequence[Path], shape: Sequence[int], row: int | None = None
) -> tuple[Array, tuple[str, ...]]:
    """The observations of several files behind each other, and what each is called.

    Args:
        files: What `read_observation` reads.
        shape: Of one row of the training set.
        row: Which of several observations in each file to take.

    Returns:
        With shape (B, *shape), and B names: that of the file, with the row where it has several.

    Raises:
        InputError: With the problems of all files.
    """
    found, names, problems = [], list[str](), list[str]()
    for path in files:
        try:
            observed = read_observation(path, shape, row)
        except InputError as error:
            problems += error.problems
            continue
        found.append(observed)
        several = len(observed) > 1 or row is not None
        first = row or 0
        names += [
            f"{path.name}[{first + i}]" if several else path.name for i in range(len(observed))
        ]
    if problems or not found:
        raise InputError(*(problems or ["OBSERVATION: given no file; allowed: one or more"]))
    return np.concatenate(found), tuple(names)


def finite(observed: Array, where: str) -> Array:
    """The observations in single precision; raises InputError where one is not finite."""
    bad = ~np.isfinite(observed).reshape(len(observed), -1).all(1)
    if bad.any():
        rows = ", ".join(map(str, np.flatnonzero(bad)[:5]))
        raise InputError(f"{where}: values that are not finite in rows {rows}")
    return observed.astype(np.float32)


def shaped(observed: Array, shape: tuple[int, ...], where: str) -> Array:
    """With shape (B, *shape), from all the shapes that are allowed.

    Args:
        observed: One observation, or several along a first axis.
        shape: Of one observation. Where its first number is 1, that axis may be left out.
        where: What messages begin with.
    """
    allowed = [shape, shape[1:]] if shape[0] == 1 else [shape]
    for form in allowed:
        if observed.shape == form or (observed.shape[1:] == form and len(observed)):
            return observed.reshape(-1, *shape)
    forms = " or ".join(_words(form) for form in allowed)
    raise InputError(
        f"{where}: given shape {_words(observed.shape)}; allowed: {forms}, "
        "or several of them along a first axis"
    )


def _words(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
