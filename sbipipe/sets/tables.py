"""Opens the tables of simulations that users bring; `storage` opens what stages write.

A table holds `theta` (N, D), `x` (N, ...) and optionally `group` (N,), which names the simulation
each row came from, as npz, HDF5, netCDF, Zarr, or a folder of npy files of these names. In a csv
file with a header, the columns of the prior's parameters are theta (those that begin with `theta`,
where the prior names none), `group` is the group, and all others are x.

What is wrong with a file is named all at once.
Rows with NaN or infinite values are not wrong: they are read as they are, and whoever uses them
excludes and counts them (`Dataset.finite`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from sbipipe.interfaces import Array, Data, Dataset, Fields, Geometry, Index, Vectors
from sbipipe.protocols import Prior
from sbipipe.records import InputError
from sbipipe.sets.repeats import ungrouped

FEWEST_ROWS = 10
"""A table with fewer rows is a mistake."""

CLOSE = 1e-6
"""How far a fixed parameter may be from its value, as a share of it: files hold rounded numbers."""

Columns = Mapping[str, NDArray[Any]]


def read_table(path: Path, prior: Prior | None, parameters: Sequence[str] = ()) -> Dataset:
    """The rows of a table, NaN included.

    Fields without a channel axis (N, n, n) get one (N, 1, n, n), numbers (N,) become (N, 1).

    Args:
        prior: What holds all of theta; None where any column may be a parameter.
        parameters: The names of the columns of a csv file that are theta, where no prior has them.

    Raises:
        InputError: With every problem of the file, each in a line that names it.
    """
    columns = _load(path, prior.columns if prior else parameters)
    return table(columns, prior, str(path))


def table(columns: Columns, prior: Prior | None, where: str) -> Dataset:
    """The rows of a table in memory, by the rules of `read_table`.

    Args:
        columns: The columns `theta`, `x` and perhaps `group`, by name.
        prior: What holds all of theta; None where any column may be a parameter.
        where: What messages begin with.

    Raises:
        InputError: With every problem of the table, each in a line that begins with `where`.
    """
    problems = [f"{where}: {problem}" for problem in _problems(columns, prior)]
    if problems:
        raise InputError(*problems)
    theta = np.asarray(columns["theta"], np.float64)
    theta = theta.reshape(len(theta), -1)
    free = prior.free(theta) if prior else theta
    return dataset(free, columns["x"], _group(columns, len(theta)))


def dataset(theta: Array, x: NDArray[Any], group: Index | None = None) -> Dataset:
    """Rows in memory, unchecked; each of a simulation of its own where `group` is not given.

    Args:
        theta: With shape (N, D).
        x: With shape (N,), (N, L), (N, *space) or (N, C, *space).
        group: With shape (N,).
    """
    x = _with_channel(x)
    group = np.arange(len(theta)) if group is None else group
    return Dataset(data=_data(x), theta=theta, x=x, group=group)


def csv_parameters(path: Path) -> tuple[str, ...]:
    """The columns of a csv file that are parameters where nobody has named them."""
    columns = pd.read_csv(path, nrows=0)
    return tuple(str(name) for name in columns if str(name).startswith("theta"))


def outside(columns: Array, prior: Prior) -> list[str]:
    """A problem for each parameter that leaves the prior; rows with NaN are passed over.

    Args:
        columns: All parameters, the fixed ones among them, with shape (N, C).
    """
    problems, theta = [*_unfixed(columns, prior)], prior.free(columns)
    alone = prior.margins
    for i, (name, (low, high)) in enumerate(zip(prior.names, prior.bounds, strict=True)):
        middle = alone.from_unit(np.full(theta.shape, 0.5))
        middle[:, i] = theta[:, i]
        wrong = np.flatnonzero(~alone.inside(middle) & np.isfinite(theta[:, i]))
        if len(wrong):
            problems.append(
                f"theta: {len(wrong)} rows lie outside the prior of {name}, the first in row "
                f"{wrong[0]}: given {theta[wrong[0], i]:.9g}; allowed: {low:g} to {high:g}"
            )
    wrong = np.flatnonzero(~prior.inside(theta) & np.isfinite(theta).all(1))
    if len(wrong) and not problems:
        given = ", ".join(f"{n} {v:.9g}" for n, v in zip(prior.names, theta[wrong[0]], strict=True))
        problems.append(
            f"theta: {len(wrong)} rows lie outside the prior, the first is row {wrong[0]}: given "
            f"{given}; allowed: each between its edges given the others"
        )
    return problems


def _unfixed(columns: Array, prior: Prior) -> Iterator[str]:
    """A problem for each fixed parameter that has another value."""
    for name, value in prior.fixed.items():
        column = columns[:, prior.columns.index(name)]
        other = np.isfinite(column) & ~np.isclose(column, value, rtol=CLOSE, atol=0)
        wrong = np.flatnonzero(other)
        if len(wrong):
            yield (
                f"theta: {len(wrong)} rows have another value of {name} than the fixed one, the "
                f"first is row {wrong[0]}: given {column[wrong[0]]:.9g}; allowed: {value:.9g}"
            )


def _problems(columns: Columns, prior: Prior | None) -> list[str]:
    missing = [key for key in ("theta", "x") if key not in columns]
    if missing:
        found = ", ".join(columns) or "nothing"
        return [f"{key}: missing; the file holds {found}" for key in missing]
    wrong = [
        f"{key}: given values of type {columns[key].dtype}; allowed: real numbers"
        for key in ("theta", "x")
        if columns[key].dtype.kind not in "iuf"
    ]
    if wrong:
        return wrong
    theta, x = columns["theta"], columns["x"]
    if not theta.ndim or not x.ndim:
        return ["theta and x: given single numbers; allowed: one row for each simulated map"]
    problems = _shape_problems(theta, x, columns.get("group"))
    problems += _prior_problems(theta, prior) if prior else []
    if "group" not in columns and not problems:
        problems += ungrouped(theta.reshape(len(theta), -1))
    return problems


def _shape_problems(theta: Array, x: Array, group: NDArray[Any] | None) -> list[str]:
    problems = []
    if len(theta) != len(x):
        problems.append(f"theta has {len(theta)} rows and x has {len(x)}; allowed: equally many")
    if len(theta) < FEWEST_ROWS:
        problems.append(f"theta: given {len(theta)} rows; allowed: at least {FEWEST_ROWS}")
    if x[:1].size == 0:
        problems.append(f"x: given shape {x.shape}; allowed: at least one number in a row")
    if group is not None and group.shape != (len(theta),):
        problems.append(f"group: given shape {group.shape}; allowed: ({len(theta)},)")
    return problems


def _prior_problems(theta: Array, prior: Prior) -> list[str]:
    width = theta.shape[1] if theta.ndim == 2 else 1
    if theta.ndim > 2 or width != len(prior.columns):
        names = ", ".join(prior.columns)
        return [
            f"theta: given shape {theta.shape}; allowed: ({len(theta)}, {len(prior.columns)}), "
            f"a column for each parameter of the prior ({names})"
        ]
    return outside(np.asarray(theta, np.float64).reshape(len(theta), -1), prior)


def _with_channel(x: NDArray[Any]) -> Array:
    x = np.asarray(x, np.float32)
    if x.ndim == 1:
        return x[:, None]
    return x[:, None] if x.ndim == 3 else x


def _data(x: Array) -> Data:
    """What a table's rows must be: vectors where they have one axis, else fields whose first axis
    holds channels."""
    if x.ndim == 2:
        return Vectors(components=tuple(f"x{i}" for i in range(x.shape[1])))
    channels = ("field",) if x.shape[1] == 1 else tuple(f"channel {c}" for c in range(x.shape[1]))
    return Fields(geometry=Geometry(pixels=x.shape[2:]), channels=channels)


def _group(columns: Columns, rows: int) -> Index:
    """Numbers for the groups, however they are named; each row alone where none are given."""
    if "group" not in columns:
        return np.arange(rows)
    group = columns["group"]
    if group.dtype.kind in "iu":
        return np.asarray(group, np.int64)
    return np.unique(group, return_inverse=True)[1]


def _load(path: Path, parameters: Sequence[str]) -> Columns:
    suffix = path.suffix.lower()
    loaders: dict[str, Callable[[Path], Columns]] = {
        **_LOADERS,
        ".csv": partial(_load_csv, parameters=parameters),
    }
    if suffix not in loaders and not path.is_dir():
        given = suffix or "no ending"
        allowed = ", ".join(loaders)
        raise InputError(f"{path}: given {given}; allowed: {allowed}, a folder of npy files")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        return loaders.get(suffix, _load_folder)(path)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _load_npz(path: Path) -> Columns:
    with np.load(path, allow_pickle=False) as file:
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("one array; allowed: an archive with theta and x")
        return {key: file[key] for key in file.files if key in ("theta", "x", "group")}


def _load_folder(path: Path) -> Columns:
    files = {key: path / f"{key}.npy" for key in ("theta", "x", "group")}
    return {key: np.load(f, allow_pickle=False) for key, f in files.items() if f.exists()}


def _load_csv(path: Path, parameters: Sequence[str]) -> Columns:
    table = pd.read_csv(path)
    columns = [str(name) for name in table]
    named = [*(parameters or csv_parameters(path))]
    missing = [name for name in named if name not in columns]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}; found: {', '.join(columns)}")
    others = [name for name in columns if name not in (*named, "group")]
    found = {"theta": table[named], "x": table[others]}
    arrays = {key: part.to_numpy() for key, part in found.items() if part.shape[1]}
    return arrays | ({"group": table["group"].to_numpy()} if "group" in table else {})


def _load_hdf5(path: Path) -> Columns:
    with h5py.File(path) as file:
        found = {key: file[key] for key in ("theta", "x", "group") if key in file}
        columns = {key: np.asarray(value[()]) for key, value in found.items()}
    if "group" in columns and columns["group"].dtype.kind == "O":
        columns["group"] = columns["group"].astype(str)
    return columns


def _load_zarr(path: Path) -> Columns:
    group = zarr.open_group(path, mode="r")
    return {key: np.asarray(group[key][:]) for key in ("theta", "x", "group") if key in group}


_LOADERS: dict[str, Callable[[Path], Columns]] = {
    ".npz": _load_npz,
    ".h5": _load_hdf5,
    ".hdf5": _load_hdf5,
    ".nc": _load_hdf5,
    ".zarr": _load_zarr,
}
