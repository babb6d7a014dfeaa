"""lenstools behind one door (Petri 2016, arXiv:1606.01903); no other file imports it.

A map of n x n pixels is given the nominal angle of 360 degrees, so that lengths are in units of
(side / 2 pi) and wavenumbers in units of the fundamental mode. Maps are read in single precision.
lenstools takes every map to be periodic: gradients and neighbours reach across its sides. Of a map
that is not, pixels whose neighbours lie beyond its border are left out.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from sbipipe.interfaces import Array, Fields

SMALLEST = 8
"""Pixels on a side, below which bands and bins would be empty."""

REACH = 2
"""Pixels to either side that a second derivative is the difference of."""

HIGHEST = float(np.finfo(np.float32).max)
"""No pixel is higher: maps are read in single precision."""


def obstacle(data: Fields) -> str:
    """Why lenstools cannot measure these fields; empty where it can."""
    grid = data.geometry
    if grid.dimensions != 2 or not grid.square or grid.pixels[0] < SMALLEST:
        sort = {1: "profiles", 2: "maps", 3: "boxes"}[grid.dimensions]
        sides = " x ".join(map(str, grid.pixels))
        return f"given {sort} of {sides} pixels; allowed: square maps of at least {SMALLEST} a side"
    return ""


def single(field: Array) -> Array:
    """A map as it is read: rounded to single precision, in double."""
    return np.asarray(field, np.float32).astype(np.float64)


def triangles(field: Array, edges: Array, shape: str, scale: Array) -> Array:
    """<f_k f_p f_q scale_k^{1/2} scale_p^{1/2} scale_q^{1/2}> in bands of k, f as numpy's `fft2`.

    Args:
        field: A map (n, n) of zero mean.
        edges: The bands, in units of the fundamental mode.
        shape: The shape of triangles, "equilateral" or "folded".
        scale: A factor for |f_k|^2 of every mode of the real transform, with shape
            (n, n // 2 + 1).
    """
    undone = scale**1.5 * len(field) ** 6 / (2 * np.pi) ** 4  # lenstools' own normalisation
    found = _map(field).bispectrum(edges, configuration=shape, scale=lambda _: undone)
    return np.asarray(found[1])


def peak_heights(field: Array, *, periodic: bool) -> Array:
    """The heights of the peaks of a map (n, n)."""
    thresholds = np.array([-HIGHEST, HIGHEST])
    return np.asarray(_with_neighbours(field, periodic).locatePeaks(thresholds)[0])


def peak_counts(field: Array, edges: Array, *, periodic: bool) -> Array:
    """The number of peaks of a map (n, n) with height in [low, high) of each bin."""
    return np.asarray(_with_neighbours(field, periodic).peakCount(edges)[1] * np.diff(edges))


def minkowski_functionals(field: Array, levels: Array, *, periodic: bool) -> Array:
    """V0, V1 and V2 of a map (n, n) in bins of the level, one after the other."""
    return np.concatenate(_with_derivatives(field, periodic).minkowskiFunctionals(levels)[1:])


def moments(field: Array, *, periodic: bool) -> Array:
    """sigma0, sigma1, S0, S1, S2 and the connected K0, K1, K2, K3 of a map (n, n) less its mean."""
    found = _with_derivatives(field, periodic)
    found.data = found.data - found.data.mean()
    return np.asarray(found.moments(connected=True))


def _with_neighbours(field: Array, periodic: bool) -> Any:
    """A map whose peaks are higher than all their neighbours: one that is not periodic within walls
    that no pixel overtops."""
    whole = single(field)
    return _map(whole if periodic else np.pad(whole, 1, constant_values=HIGHEST))


def _with_derivatives(field: Array, periodic: bool) -> Any:
    """A map with its gradient and its Hessian, or the inner pixels of one that is not periodic."""
    whole = single(field)
    derivatives = (*_map(whole).gradient(), *_map(whole).hessian())
    inner = np.s_[:, :] if periodic else np.s_[REACH:-REACH, REACH:-REACH]
    pixels, *kept = (np.ascontiguousarray(one[inner]) for one in (whole, *derivatives))
    found = _map(pixels)
    found.gradient_x, found.gradient_y, *hessian = kept
    found.hessian_xx, found.hessian_yy, found.hessian_xy = hessian
    return found


def _map(field: Array) -> Any:
    return _convergence().ConvergenceMap(field, _angle())


@functools.cache
def _convergence() -> Any:
    """`lenstools.image.convergence`, alone, and made to run on present-day numpy.

    lenstools 1.2 (2021) imports all that it has, pandas and pyplot among it, for five times as long
    as this module takes, and finds modules there that setuptools no longer ships. So empty packages
    stand in for two of its own meanwhile, and none for matplotlib. It asks numpy for `float`, `int`
    and `complex`, and finds them in a copy of numpy's namespace that it alone sees.
    """
    found = importlib.util.find_spec("lenstools")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("lenstools is not installed")
    (root,) = found.submodule_search_locations
    empty = {"lenstools": root, "lenstools.simulations": f"{root}/simulations"}
    packages = {name: _package(name, folder) for name, folder in empty.items()}
    with warnings.catch_warnings(), _standing_in({**packages, "matplotlib": None}):
        warnings.simplefilter("ignore")
        module = importlib.import_module("lenstools.image.convergence")
    numpy = types.ModuleType("numpy")
    numpy.__dict__.update(vars(np) | {"float": float, "int": int, "complex": complex})
    module.__dict__["np"] = numpy
    return module


def _package(name: str, folder: str) -> types.ModuleType:
    """A package of the modules in a folder that imports none of them."""
    package = types.ModuleType(name)
    package.__path__ = [folder]
    return package


@contextmanager
def _standing_in(modules: Mapping[str, types.ModuleType | None]) -> Iterator[None]:
    """Inside, imports find these modules by their names; None is a module that is not there."""
    before = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(before)


@functools.cache
def _angle() -> Any:
    return importlib.import_module("astropy.units").Quantity(360.0, "deg")
