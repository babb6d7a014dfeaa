"""The only module that opens data files.

Fields and vectors lie in chunked Zarr, posteriors in netCDF, weights in safetensors beside JSON.
Whole files appear by renaming, so a reader sees all of a file or none of it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from sbipipe.interfaces import InputError, Weights


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary neighbour of `path`, then give it the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(Path(name))
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


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


def save_weights(path: Path, weights: Weights) -> None:
    """Write arrays as safetensors, with the plain values in its header."""
    arrays = {name: np.ascontiguousarray(value) for name, value in weights.arrays.items()}
    meta = {"meta": json.dumps(weights.meta, default=_plain)}
    write_whole(path, lambda temporary: save_file(arrays, temporary, metadata=meta))


def load_weights(path: Path) -> Weights:
    """Read what `save_weights` wrote."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            meta = json.loads(file.metadata()["meta"])
        return Weights(arrays=load_file(path), meta=meta)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except SafetensorError as error:
        raise InputError(f"{path}: not whole: {error}") from error
