"""What lies in a file or a folder, and which kind of `simulate:` reads it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from sbipipe.init.source import Source
from sbipipe.interfaces import Fields, Geometry
from sbipipe.names import unnamed
from sbipipe.physics.parameters import NAMES
from sbipipe.records import InputError
from sbipipe.sets import cmd_layout
from sbipipe.sets.sides import apart
from sbipipe.sets.tables import csv_parameters, read_table
from sbipipe.sets.tails import heavy

ASTROPHYSICS = ("A_SN1", "A_AGN1", "A_SN2", "A_AGN2")
"""The parameters of hydrodynamic suites behind the cosmological ones, as CAMELS names them."""

MAPS = re.compile(r"Maps_(?P<field>[^_]+)_(?P<suite>.+)_(?P<set>[^_]+)_z=0\.00\.npy")


def look(path: Path, parameters: tuple[str, ...] = ()) -> Source:
    """The simulations at a path.

    Args:
        path: A table (`sets.tables`), or a folder in the layout of the CAMELS Multifield Dataset.
        parameters: The names of the parameters, in the order of theta's columns; theta_0, theta_1
            and so on where they are not given, or those of CAMELS.

    Raises:
        InputError: If nothing that can be read lies there, or names are given for another number of
            parameters.
    """
    if path.is_dir() and any(MAPS.fullmatch(file.name) for file in path.iterdir()):
        found = _camels(path)
    else:
        found = _table(path, parameters)
    if parameters and len(parameters) != found.theta.shape[1]:
        raise InputError(
            f"--parameters: given {len(parameters)} names; allowed: {found.theta.shape[1]}, one "
            f"for each parameter of {path}"
        )
    return replace(found, parameters=parameters) if parameters else found


def _table(path: Path, parameters: tuple[str, ...]) -> Source:
    names: tuple[str, ...] = ()
    if path.suffix.lower() == ".csv" and path.exists():
        names = parameters or csv_parameters(path)
    rows = read_table(path, None, names)
    kept = rows.rows(rows.finite)
    if not len(kept):
        raise InputError(f"{path}: no row is finite")
    fields = isinstance(rows.data, Fields)
    return Source(
        path=_relative(path),
        kind="arrays",
        config={"path": _relative(path)},
        parameters=names or unnamed(rows.theta.shape[1]),
        theta=kept.theta,
        group=kept.group,
        excluded=len(rows) - len(kept),
        data=rows.data,
        tails=heavy(kept.x) if fields else None,
        apart=apart(kept.x) if fields else None,
    )


def _camels(path: Path) -> Source:
    """The maps of one field: those of a latin hypercube where there are some."""
    files = sorted(filter(None, (MAPS.fullmatch(file.name) for file in path.iterdir())), key=str)
    chosen = min(files, key=lambda file: file["set"] != "LH").groupdict()
    maps = cmd_layout.open_maps(path, **chosen)
    columns = cmd_layout.read_parameters(path, chosen["suite"], chosen["set"])
    if len(maps) != cmd_layout.MAPS * len(columns):
        raise InputError(f"{path}: {len(maps)} maps and {len(columns)} rows of parameters")
    constant = np.flatnonzero(columns.min(0) == columns.max(0))
    theta = columns[:, : int(constant[0])] if len(constant) else columns
    known = (*NAMES, *ASTROPHYSICS)
    named = theta.shape[1] in (len(NAMES), len(known))
    return Source(
        path=_relative(path),
        kind="cmd",
        config={"folder": _relative(path), **chosen},
        parameters=known[: theta.shape[1]] if named else unnamed(theta.shape[1]),
        theta=theta.repeat(cmd_layout.MAPS, 0),
        group=np.arange(len(theta)).repeat(cmd_layout.MAPS),
        excluded=0,
        data=Fields(geometry=Geometry(pixels=maps.shape[1:]), channels=(chosen["field"],)),
    )


def _relative(path: Path) -> str:
    """From the folder of `params.yaml`, where it lies below it."""
    own = os.path.relpath(path)
    return str(path.resolve()) if own.startswith("..") else own


__all__ = ["look"]
