"""Simulations made elsewhere, as arrays in one file.

The file holds `theta` (N, D), `x` (N, ...) and optionally `group` (N,), which names the simulation
each row came from; rows of one group go to one split together. Without it every row is a simulation
of its own. npz, HDF5, netCDF, Zarr and csv are read, and folders of npy files (`sets.tables`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sbipipe.interfaces import Dataset, Vectors
from sbipipe.priors.as_drawn import DeclaredPrior
from sbipipe.records import plugin
from sbipipe.sets.support import support
from sbipipe.sets.tables import read_table


@plugin
class Arrays:
    """Reads a table.

    Attributes:
        path: The path of the file or folder, from the folder of `params.yaml`.
        prior: The prior that theta was drawn from, in the order of its columns, or
            `{kind: as_drawn}`, an estimate of it.
        box: The length of the first axis of fields [unit]; None counts in sides.
        unit: The unit of `box`.
        periodic: Whether opposite sides of fields meet.
        quantity: What a pixel of the first channel holds, for labels.
    """

    path: str
    prior: DeclaredPrior
    box: Annotated[float, Field(gt=0)] | None = None
    unit: str = "Mpc/h"
    periodic: bool = True
    quantity: str = "field"

    def read(self) -> Dataset:
        """All rows, NaN included.

        Raises:
            InputError: With every problem of the file.
        """
        rows = read_table(Path(self.path), support(self.prior))
        if isinstance(rows.data, Vectors):
            return rows
        geometry = replace(rows.data.geometry, box=self.box, unit=self.unit, periodic=self.periodic)
        return replace(rows, data=replace(rows.data, geometry=geometry, quantity=self.quantity))


__all__ = ["Arrays"]
