r"""Maps of the CAMELS Multifield Dataset, or written in its layout (`cmd_layout`).

Maps of matter are surface densities in physical units: their mean is proportional to Omega_m, so
theta can be read off it without any inference. With `overdensity` each map is therefore turned into

    log10(1 + delta) = log10(map / mean of the 15 maps of its simulation).

The five slabs along an axis fill the box, so for matter that mean is the mean density of the
universe: it says nothing about the slab, and a slab keeps its own over- or underdensity.

Maps are read through a memory map, a simulation at a time; `pixels` averages blocks of them, before
the logarithm. A pixel without mass makes its map infinite; such rows are excluded and counted by
whoever uses the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sbipipe.interfaces import Array, Dataset, Fields, Geometry
from sbipipe.priors.as_drawn import DeclaredPrior
from sbipipe.protocols import Prior
from sbipipe.records import InputError, Positive, plugin
from sbipipe.sets import cmd_layout
from sbipipe.sets.support import support
from sbipipe.sets.tables import outside

__all__ = ["Cmd"]


@plugin
class Cmd:
    """A set of maps of one field.

    Attributes:
        folder: The folder of the files.
        field: The field, for instance "Mcdm".
        suite: The suite, for instance "IllustrisTNG" or "sbipipe".
        set: The set, "LH" or another that was sampled from the prior.
        prior: The prior of as many leading columns of the parameter file: two for N-body suites,
            six for the others. `{kind: as_drawn}`, an estimate of what they were drawn from, is of
            all columns where it says nothing of parameters.
        overdensity: Whether to give log10(1 + delta) instead of the values in the file.
        pixels: The number of pixels along each side of a map after averaging; that of the file by
            default.
        box: The side of the maps [Mpc/h].
    """

    folder: str
    field: str = "Mcdm"
    suite: str
    set: str = "LH"
    prior: DeclaredPrior
    overdensity: bool = True
    pixels: Positive | None = None
    box: Annotated[float, Field(gt=0)] = 25.0

    def read(self) -> Dataset:
        """The maps, with shape (15 S, 1, pixels, pixels), float32.

        Raises:
            InputError: With every problem found.
        """
        maps, columns = self._open()
        within = support(self.prior)
        problems = [f"{self.folder}: {problem}" for problem in self._problems(maps, columns)]
        if problems:
            raise InputError(*problems)
        simulations = np.split(maps, len(columns))
        x = np.concatenate([self._convert(simulation) for simulation in simulations])
        group = np.repeat(np.arange(len(columns)), cmd_layout.MAPS)
        geometry = Geometry(pixels=x.shape[1:], box=self.box)
        quantity = "log10(1 + delta)" if self.overdensity else self.field
        return Dataset(
            data=Fields(geometry=geometry, channels=(self.field,), quantity=quantity),
            theta=_free(columns, within)[group],
            x=x[:, None],
            group=group,
        )

    def _open(self) -> tuple[NDArray[Any], Array]:
        """Both files, or an error that names what is wrong with either."""
        folder, problems = Path(self.folder), list[str]()
        try:
            maps = cmd_layout.open_maps(folder, self.field, self.suite, self.set)
        except InputError as error:
            problems += error.problems
        try:
            columns = cmd_layout.read_parameters(folder, self.suite, self.set)
        except InputError as error:
            problems += error.problems
        if problems:
            raise InputError(*problems)
        return maps, columns

    def _problems(self, maps: NDArray[Any], columns: Array) -> list[str]:
        problems = []
        side, simulations = maps.shape[1], len(maps) // cmd_layout.MAPS
        if simulations != len(columns):
            problems.append(
                f"{len(maps)} maps are {simulations} simulations, but {len(columns)} rows of "
                "parameters given; allowed: equally many"
            )
        if self.pixels is not None and side % self.pixels:
            problems.append(f"maps of {side} pixels; allowed for pixels: a divisor of it")
        within = support(self.prior)
        names = within.columns if within else ()
        if columns.shape[1] < len(names):
            problems.append(
                f"{columns.shape[1]} columns of parameters; allowed: at least {len(names)}, for "
                f"the prior of {', '.join(names)}"
            )
        elif within:
            problems += outside(columns[:, : len(names)], within)
        return problems

    def _convert(self, maps: NDArray[Any]) -> NDArray[np.float32]:
        """Of one simulation, (15, n, n) -> (15, pixels, pixels)."""
        values = np.asarray(maps, np.float64)
        if self.pixels is not None:
            block = values.shape[1] // self.pixels
            blocks = values.reshape(-1, self.pixels, block, self.pixels, block)
            values = blocks.mean((2, 4))
        if self.overdensity:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log10(values / values.mean())
        return values.astype(np.float32)


def _free(columns: Array, within: Prior | None) -> Array:
    """The parameters that are not fixed, of as many leading columns as the prior has."""
    return within.free(columns[:, : len(within.columns)]) if within else columns
