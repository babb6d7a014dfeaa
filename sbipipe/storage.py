"""The only module that opens what stages write.

A **set** is a folder with the four splits of one suite of fields, or of the vectors a summary made
of them, in chunked Zarr; every chunk carries a checksum. Draws and weights are safetensors with a
JSON header, posteriors netCDF. Whole files appear by renaming, so a reader sees all of a file or
none of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import zarr
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from sbipipe.interfaces import (
    Array,
    Data,
    Dataset,
    Fields,
    History,
    Index,
    LogLikelihood,
    PosteriorDraws,
    Vectors,
    Weights,
)
from sbipipe.records import InputError

PENDING, DONE, FAILED = 0, 1, 2
"""Status of a simulation."""

COLUMN = 2**16
"""Rows in a chunk of everything but x: parameters, seeds and status are small."""

_CODECS = [zarr.codecs.ZstdCodec(level=1), zarr.codecs.Crc32cCodec()]

# A chunk of nothing but NaN is written like any other, or it would count as missing. Zarr keeps
# this with no array, but asks for it whenever one is opened.
zarr.config.set({"array.write_empty_chunks": True})


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary neighbour of `path`, then give it the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(Path(name))
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def joint_hash(*parts: str) -> str:
    """Of several words, in their order."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def empty_folder(path: Path) -> None:
    """Make a folder with nothing in it, in the place of one that is there."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `path` at the end, unless an error comes before."""
    new = path.with_name(f".{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        old = _out_of_the_way(path)
        os.replace(new, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder, if it is there; whoever looks finds all of it or nothing."""
    shutil.rmtree(_out_of_the_way(path), ignore_errors=True)


def _out_of_the_way(path: Path) -> Path:
    """Give a folder, if it is there, another name."""
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        os.replace(path, old)
    return old


# Plain values


def save_json(path: Path, values: Any) -> None:
    """Write plain values; NaN is an error."""
    text = json.dumps(values, indent=1, allow_nan=False, default=_plain) + "\n"
    write_whole(path, lambda temporary: temporary.write_text(text))


def load_json(path: Path) -> Any:
    """Plain values."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


# Weights, histories and draws


def save_weights(path: Path, weights: Weights) -> None:
    """Write arrays as safetensors, with the plain values in its header."""
    arrays = {name: np.asarray(value, order="C") for name, value in weights.arrays.items()}
    meta = {"meta": json.dumps(weights.meta, default=_plain)}
    write_whole(path, lambda temporary: save_file(arrays, temporary, metadata=meta))


def load_weights(path: Path) -> Weights:
    """Read what `save_weights` wrote."""
    try:
        with safe_open(path, framework="numpy") as file:
            meta = json.loads(file.metadata()["meta"])
        return Weights(arrays=load_file(path), meta=meta)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except SafetensorError as error:
        raise InputError(f"{path}: not whole: {error}") from error


def below(arrays: Mapping[str, NDArray[Any]], folder: str) -> dict[str, NDArray[Any]]:
    """Those whose names begin with `folder`, by the rest of their names."""
    return {
        name.removeprefix(folder): value
        for name, value in arrays.items()
        if name.startswith(folder)
    }


def check_same(weights: Weights, config: Mapping[str, Any]) -> None:
    """Raise InputError unless the weights were made with this configuration."""
    saved = weights.meta["config"]
    problems = [
        f"config.{name}: given {value!r}; the weights were trained with {saved.get(name)!r}"
        for name, value in config.items()
        if saved.get(name) != value
    ]
    if problems:
        raise InputError(*problems)


def save_history(path: Path, history: History) -> None:
    """Write learning curves and times."""
    save_json(path, asdict(history))


def load_history(path: Path) -> History:
    """Read what `save_history` wrote."""
    return History(**load_json(path))


def save_draws(path: Path, draws: PosteriorDraws) -> None:
    """Write the draws of one estimator for its test simulations."""
    names = "theta draws log_prob log_prob_truth log_prior_truth effective_sample_size"
    arrays = {name: getattr(draws, name) for name in (*names.split(), "prior_variance")}
    groups = {"control": draws.log_prob_controls, "figure": draws.figures, "given": draws.given}
    for group, named in groups.items():
        arrays |= {f"{group}/{name}": value for name, value in named.items()}
    meta = {"parameters": draws.parameters, "seconds": draws.seconds}
    save_weights(path, Weights(arrays=arrays, meta=meta))


def load_draws(path: Path) -> PosteriorDraws:
    """Read what `save_draws` wrote."""
    weights = load_weights(path)
    return PosteriorDraws(
        parameters=tuple(weights.meta["parameters"]),
        seconds=weights.meta["seconds"],
        log_prob_controls=below(weights.arrays, "control/"),
        figures=below(weights.arrays, "figure/"),
        given=below(weights.arrays, "given/"),
        **{name: value for name, value in weights.arrays.items() if "/" not in name},
    )


# Sets of fields or vectors


@dataclass(frozen=True)
class Set:
    """A folder with the splits of one suite.

    Attributes:
        path: The folder.
        about: Names of the parameters, kind, fingerprint, counts: what `set.json` holds.
    """

    path: Path
    about: Mapping[str, Any]

    @property
    def data(self) -> Data:
        """What its rows are."""
        return described(self.about)

    def split(self, name: str, log_likelihood: LogLikelihood | None = None) -> Dataset:
        """The rows of one split whose simulations succeeded."""
        group = _open(self.path / f"{name}.zarr")
        keep = np.repeat(_read(group, "status") == DONE, group.attrs["maps"])
        missing = group["x"].nchunks - group["x"].nchunks_initialized
        if missing:
            where, chunks = f"{self.path / name}.zarr/x", group["x"].nchunks
            raise InputError(f"{where}: {missing} of {chunks} chunks missing; delete the folder")
        rows = {key: _read(group, key)[keep] for key in ("theta", "x", "group")}
        return Dataset(data=self.data, **rows, log_likelihood=log_likelihood)


_DATA: TypeAdapter[Data] = TypeAdapter(Annotated[Data, Field(discriminator="data")])
_KEYS = tuple(field.name for kind in (Fields, Vectors) for field in fields(kind))


def describe(data: Data) -> dict[str, Any]:
    """What `set.json` says of the rows: "data", and what belongs to it."""
    return dict(_DATA.dump_python(data, mode="json"))


def described(about: Mapping[str, Any]) -> Data:
    """What the rows are, from what `describe` gave and any other keys."""
    return _DATA.validate_python({key: about[key] for key in _KEYS if key in about})


def open_set(path: Path) -> Set:
    """A set that a stage has finished."""
    return Set(path, load_json(path / "set.json"))


def finish_set(path: Path, about: Mapping[str, Any]) -> None:
    """Declare a set whole: only now does it have its `set.json`."""
    save_json(path / "set.json", about)


def save_split(
    path: Path, name: str, rows: Dataset, maps: int = 1, **columns: NDArray[Any]
) -> None:
    """Write all rows of a split whose simulations are done; `maps` rows make one. `columns` are
    what else is known of each row, with shapes (N,)."""
    count = len(rows) // maps
    group = create_split(path, name, rows.theta[::maps], rows.group[::maps], maps, rows.x.shape[1:])
    group["x"][:] = rows.x
    for key, values in columns.items():
        _fit(group, key, values.shape, COLUMN, values.dtype, 0)[:] = values
    group["status"][:] = np.full(count, DONE, np.uint8)


def create_split(
    path: Path,
    name: str,
    theta: Array,
    group: Index,
    maps: int,
    shape: Sequence[int],
    seeds: Index | None = None,
) -> zarr.Group:
    """An empty split for `len(theta)` simulations of `maps` rows each, to be filled in chunks.

    Where the split exists, its rows stay and it becomes longer or shorter. Interrupted at any
    point, it says of no simulation that it is done which is not.

    Args:
        theta: One row a simulation, with shape (S, D).
        group: Number of each simulation, with shape (S,).
        shape: Of one row of x.
        seeds: Seed of each simulation, with shape (S,).
    """
    store = zarr.open_group(path / f"{name}.zarr", mode="a", zarr_format=3)
    store.attrs["maps"] = maps
    each = simulations_per_chunk(maps)
    rows = maps * len(theta)
    _forget(store, len(theta), rows, each * maps)
    _fit(store, "x", (rows, *shape), each * maps, np.float32, np.nan)
    columns: dict[str, NDArray[Any]] = {
        "theta": np.repeat(theta, maps, 0),
        "group": np.repeat(group, maps),
    }
    if seeds is not None:
        columns["seed"] = seeds
    for key, values in columns.items():
        _fit(store, key, values.shape, COLUMN, values.dtype, 0)[:] = values
    _fit(store, "status", (len(theta),), COLUMN, np.uint8, PENDING)
    return store


def simulations_per_chunk(maps: int) -> int:
    """Simulations written by one task, as one chunk of x."""
    return max(1, 150 // maps)


def _forget(store: zarr.Group, simulations: int, rows: int, chunk: int) -> None:
    """Blank what a shorter split leaves out, as far as its chunks still hold it."""
    if "status" in store and store["status"].shape[0] > simulations:
        store["status"][simulations:] = PENDING
        store["x"][rows : -(-rows // chunk) * chunk] = np.nan


def _fit(
    store: zarr.Group, key: str, shape: tuple[int, ...], chunk: int, dtype: Any, fill: float
) -> zarr.Array:
    """An array of this shape, with what it held before; `chunk` counts rows."""
    if key in store:
        if store[key].shape != shape:
            store[key].resize(shape)
        return store[key]
    return store.create_array(
        key, shape=shape, chunks=(chunk, *shape[1:]), dtype=dtype, fill_value=fill,
        compressors=_CODECS,
    )  # fmt: skip


def done(path: Path, name: str) -> Index:
    """Which simulations of a split succeeded; none where there is no such split."""
    if not (path / f"{name}.zarr" / "status").exists():
        return np.zeros(0, np.int64)
    return np.flatnonzero(_read(_open(path / f"{name}.zarr"), "status") == DONE)


def open_split(path: Path, name: str) -> zarr.Group:
    """A split as it lies on disk, to be filled, or read in part."""
    return zarr.open_group(path / f"{name}.zarr", mode="r+")


def _open(path: Path) -> zarr.Group:
    try:
        return zarr.open_group(path, mode="r")
    except FileNotFoundError:
        raise InputError(f"{path}: no such set") from None


def _read(group: zarr.Group, key: str) -> NDArray[Any]:
    try:
        return np.asarray(group[key][:])
    except (ValueError, RuntimeError, KeyError) as error:
        where = f"{group.store_path.store.root}/{key}"
        raise InputError(f"{where}: a chunk is damaged ({error}); delete the folder") from error


__all__ = [
    "DONE",
    "FAILED",
    "PENDING",
    "Set",
    "create_split",
    "describe",
    "described",
    "done",
    "file_hash",
    "finish_set",
    "joint_hash",
    "load_draws",
    "load_history",
    "load_json",
    "load_weights",
    "open_set",
    "open_split",
    "remove_folder",
    "save_draws",
    "save_history",
    "save_json",
    "save_split",
    "save_weights",
    "simulations_per_chunk",
    "whole_folder",
    "write_whole",
]
