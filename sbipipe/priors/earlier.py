"""Draws of an earlier chain, as files hold them.

A csv file has a header with the names; an npz file an array for each parameter; a netCDF or HDF5
file as well, at its root or, as posterior files of one observation have them, in a group
`posterior`.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sbipipe.interfaces import Array
from sbipipe.names import no_parameters
from sbipipe.records import plugin

MOST = 20_000
"""Draws that a density is fitted to; of more, every so many."""

EACH = 100
"""Draws that there must be for each parameter."""

WEIGHTS = ("weight", "weights")
"""Columns whose presence makes draws unequal."""


@plugin
class Draws:
    """Several parameters together, as the draws of an earlier chain have them.

    Written for all of them under one key: `omega_m, sigma_8: {kind: draws, path: chain.csv}`. Their
    density is estimated as a mixture of normals, as that of `as_drawn` is, and it is the prior:
    what a simulator is given are new draws of the mixture.

    Attributes:
        path: The csv, npz, netCDF or HDF5 file with equally weighted draws, from the folder of
            `params.yaml`; below `data/raw`, if `dvc repro` is to see when it changes.
        columns: What the parameters are called there, in their order; as here where it is left out.
        low, high: The edges of parameters that have some, by name: `low: {omega_m: 0.0}`.
        nuisance: The names of those that files, figures and tables leave out.
    """

    kind: Literal["draws"]
    path: str
    columns: tuple[str, ...] | None = None
    low: dict[str, float] = Field(default_factory=dict)
    high: dict[str, float] = Field(default_factory=dict)
    nuisance: tuple[str, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    def mistakes(self, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """The key and what is wrong of what the file does not hold."""
        try:
            self.read(names)
        except ValueError as error:
            where, _, why = str(error).partition(": ")
            yield where, why
        yield from no_parameters(self.nuisance, names)

    def read(self, names: tuple[str, ...]) -> Array:
        """The draws of these parameters, with shape (N, d).

        Raises:
            ValueError: If there are none, or they are not what they should be.
        """
        path, wanted = Path(self.path), self.columns or names
        if len(wanted) != len(names):
            raise ValueError(f"columns: given {len(wanted)}; allowed: {len(names)}")
        loader = _LOADERS.get(path.suffix.lower())
        if loader is None:
            raise ValueError(f"path: given {self.path!r}; allowed: a file of {', '.join(_LOADERS)}")
        if not path.exists():
            raise ValueError(f"path: given {self.path!r}, which is no file")
        try:
            found = loader(path)
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"path: {self.path} cannot be read ({error})") from error
        problems = [*_problems(found, wanted)]
        if problems:
            raise ValueError(f"path: {self.path} {problems[0]}")
        rows = np.stack([np.asarray(found[name], np.float64).ravel() for name in wanted], 1)
        return self._inside(rows[:: -(-len(rows) // MOST)], names)

    def _inside(self, rows: Array, names: tuple[str, ...]) -> Array:
        """The rows, which must lie between the edges and vary."""
        for key, edges, sign in (("low", self.low, 1.0), ("high", self.high, -1.0)):
            for name, edge in edges.items():
                if name not in names:
                    raise ValueError(f"{key}: given {name!r}; allowed: {', '.join(names)}")
                if not (sign * (rows[:, names.index(name)] - edge) > 0).all():
                    raise ValueError(
                        f"{key}: given {edge:g} for {name}, which draws reach or pass; allowed: an "
                        "edge that all of them keep"
                    )
        if len(rows) < (least := EACH * len(names)):
            raise ValueError(f"path: {self.path} has {len(rows)} draws; allowed: {least} or more")
        for name, column in zip(names, rows.T, strict=True):
            if np.ptp(column) == 0:
                raise ValueError(
                    f"path: {self.path} has one value of {name}; allowed: several, or kind: fixed"
                )
        return rows

    @property
    def digest(self) -> str:
        """Of the content of the file."""
        return hashlib.blake2b(Path(self.path).read_bytes(), digest_size=16).hexdigest()


def _problems(found: Mapping[str, NDArray[Any]], wanted: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with arrays, after the name of their file."""
    missing = [name for name in wanted if name not in found]
    if missing:
        yield f"holds {', '.join(found) or 'nothing'}; missing: {', '.join(missing)}"
        return
    shapes = {np.shape(found[name]) for name in wanted}
    if len(shapes) > 1:
        yield "has arrays of different shapes; allowed: one draw of every parameter after another"
    for name in wanted:
        if found[name].ndim == 3 and found[name].shape[-1] != 1:
            yield f"holds draws of {found[name].shape[-1]} observations; allowed: of one"
        if found[name].dtype.kind not in "iuf" or not np.isfinite(found[name]).all():
            yield f"has values of {name} that are not finite numbers; allowed: finite numbers"
    for name in WEIGHTS:
        if name in found and np.ptp(found[name]) > 0:
            yield f"has draws of unequal weight ({name}); allowed: equally weighted ones"


def _load_csv(path: Path) -> dict[str, NDArray[Any]]:
    import pandas as pd  # slow to import, and few priors are chains

    table = pd.read_csv(path)
    return {str(name).strip(): table[name].to_numpy() for name in table}


def _load_npz(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _load_hdf5(path: Path) -> dict[str, NDArray[Any]]:
    import h5py  # as above

    found: dict[str, NDArray[Any]] = {}
    with h5py.File(path) as file:
        groups = [file[name] for name in ("posterior", "nuisance") if name in file] or [file]
        for group in groups:
            arrays = {k: v for k, v in group.items() if isinstance(v, h5py.Dataset) and v.shape}
            found |= {key: np.asarray(value[()]) for key, value in arrays.items()}
    return found


_LOADERS: dict[str, Callable[[Path], dict[str, NDArray[Any]]]] = {
    ".csv": _load_csv,
    ".npz": _load_npz,
    ".nc": _load_hdf5,
    ".h5": _load_hdf5,
    ".hdf5": _load_hdf5,
}

__all__ = ["Draws"]
