"""Simulations made elsewhere, as arrays in one file.

The file holds `theta` (N, D), `x` (N, ...) and optionally `group` (N,), which names the simulation
each row came from; rows of one group go to one split together. npz, HDF5, netCDF and Zarr are read.
"""

from __future__ import annotations

from pathlib import Path

from sbipipe.config import plugin
from sbipipe.interfaces import Dataset
from sbipipe.priors import PriorField
from sbipipe.sets.tables import read_table


@plugin
class Arrays:
    """Reads a table.

    Attributes:
        path: Of the file, from the folder of `params.yaml`.
        prior: What theta was drawn from, in the order of its columns.
    """

    path: str
    prior: PriorField

    def read(self) -> Dataset:
        """All rows, NaN included.

        Raises:
            InputError: With every problem of the file.
        """
        return read_table(Path(self.path), self.prior)


__all__ = ["Arrays"]
