"""The numbers in a file that holds observations: .npy, .npz, .csv, .fits, .h5 or .nc.

An archive (.npz, .h5, .nc) holds them under the key `x`. A table of text (.csv) has an observation
in each row, with or without a line of names. Of a FITS file, the first part that holds an image is
taken.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbipipe.interfaces import Array
from sbipipe.records import InputError


def numbers_in(path: Path) -> Array:
    """The numbers, in the shape that the file gives them.

    Raises:
        InputError: If the file is missing or damaged, or holds something else.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    kind, read = _reader(path)
    try:
        found = read(path)
    except InputError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: no whole {kind} file of numbers ({error})") from error
    if found.dtype.kind not in "iuf":
        raise InputError(f"{path}: given values of type {found.dtype}; allowed: real numbers")
    return np.asarray(found, np.float64)


def _reader(path: Path) -> tuple[str, Callable[[Path], NDArray[Any]]]:
    """The kind of file by its name, and what reads it."""
    name = path.name.lower()
    for kind, (endings, read) in _READERS.items():
        if name.endswith(endings):
            return kind, read
    allowed = ", ".join(ending for endings, _ in _READERS.values() for ending in endings)
    raise InputError(f"{path}: given {path.suffix or 'no ending'}; allowed: {allowed}")


def _numpy(path: Path) -> NDArray[Any]:
    loaded = np.load(path, allow_pickle=False)
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        return np.asarray(loaded)
    with loaded:
        if "x" not in loaded:
            raise InputError(_no_x(path, loaded.files))
        return np.asarray(loaded["x"])


def _hdf5(path: Path) -> NDArray[Any]:
    import h5py

    with h5py.File(path) as file:
        if "x" not in file:
            raise InputError(_no_x(path, list(file)))
        return np.asarray(file["x"][()])


def _no_x(path: Path, keys: list[str]) -> str:
    return f"{path}: the key x is missing; found: {', '.join(keys) or 'none'}"


def _csv(path: Path) -> NDArray[Any]:
    import pandas as pd

    table = pd.read_csv(path, header=None, skipinitialspace=True, comment="#")
    try:
        return table.to_numpy(np.float64)
    except ValueError:  # the first line holds names
        return table.iloc[1:].to_numpy(np.float64)


def _fits(path: Path) -> NDArray[Any]:
    from astropy.io import fits

    with fits.open(path) as parts:
        images = (part.data for part in parts if part.is_image and part.data is not None)
        image = next(images, None)
        if image is None:
            raise InputError(f"{path}: given a FITS file without an image; allowed: with one")
        return np.array(image, dtype=image.dtype.newbyteorder("="))


_READERS: dict[str, tuple[tuple[str, ...], Callable[[Path], NDArray[Any]]]] = {
    ".npy or .npz": ((".npy", ".npz"), _numpy),
    ".csv": ((".csv",), _csv),
    ".fits": ((".fits", ".fits.gz", ".fit"), _fits),
    ".h5 or .nc": ((".h5", ".hdf5", ".nc"), _hdf5),
}


__all__ = ["numbers_in"]
