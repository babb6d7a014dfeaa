"""A new observation: read from what a person brings, and checked before anything is inferred."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.records import InputError


def read_observation(path: Path, shape: Sequence[int], row: int | None = None) -> Array:
    """One or several observations of the shape that an estimator was trained on.

    Args:
        path: A .npy file, or an .npz file with the key `x`.
        shape: Of one row of the training set: (C, *space) or (L,). Where the first is 1, the file
            may leave it out.
        row: Which of several observations to take, from 0; all where None.

    Returns:
        With shape (B, *shape).

    Raises:
        InputError: If the file is missing or damaged, or holds other shapes or values that are
            not finite.
    """
    observed = _shaped(_load(path), tuple(shape), path)
    if row is not None:
        if not 0 <= row < len(observed):
            raise InputError(f"--row: given {row}; allowed: 0 to {len(observed) - 1} ({path})")
        observed = observed[row : row + 1]
    bad = ~np.isfinite(observed).reshape(len(observed), -1).all(1)
    if bad.any():
        rows = ", ".join(map(str, np.flatnonzero(bad)[:5]))
        raise InputError(f"{path}: values that are not finite in rows {rows}")
    return observed.astype(np.float32)


def _load(path: Path) -> Array:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                if "x" not in loaded:
                    keys = ", ".join(loaded.files) or "none"
                    raise InputError(f"{path}: the key x is missing; found: {keys}")
                loaded = loaded["x"]
    except InputError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: no whole .npy or .npz file of numbers ({error})") from error
    if loaded.dtype.kind not in "iuf":
        raise InputError(f"{path}: given values of type {loaded.dtype}; allowed: real numbers")
    return np.asarray(loaded, np.float64)


def _shaped(observed: Array, shape: tuple[int, ...], path: Path) -> Array:
    """With shape (B, *shape), from all the shapes that are allowed."""
    allowed = [shape, shape[1:]] if shape[0] == 1 else [shape]
    for form in allowed:
        if observed.shape == form or (observed.shape[1:] == form and len(observed)):
            return observed.reshape(-1, *shape)
    forms = " or ".join(_words(form) for form in allowed)
    raise InputError(
        f"{path}: given shape {_words(observed.shape)}; allowed: {forms}, "
        "or several of them along a first axis"
    )


def _words(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
