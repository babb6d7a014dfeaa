"""lenstools behind one door (Petri 2016, arXiv:1606.01903); no other file imports it.

A map of n x n pixels is given the nominal angle of 360 degrees, so that lengths are in units of
(side / 2 pi) and wavenumbers in units of the fundamental mode. Maps are read in single precision.
lenstools takes every map to be periodic: gradients and neighbours reach across its sides. Of a map
that is not, pixels whose neighbours lie beyond its border are left out.
"""

from __future__ import annotations

import configparser
import functools
import importlib
import sys
import types
import warnings
from collections.abc import Mapping
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
    """`lenstools.image.convergence`, made to run on present-day numpy and setuptools.

    lenstools 1.2 (2021) imports `distutils.config`, which setuptools no longer ships, and asks
    numpy for `float`, `int` and `complex`. It finds the first while it is imported, and the others
    in a copy of numpy's namespace that it alone sees.
    """
    settings = types.ModuleType("distutils.config")
    settings.__dict__["ConfigParser"] = configparser.ConfigParser
    distutils = importlib.import_module("distutils")
    before = dict(vars(distutils)), sys.modules.get(settings.__name__)
    distutils.__dict__["config"] = sys.modules[settings.__name__] = settings
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module("lenstools.image.convergence")
    finally:
        _put_back(distutils, *before)
    numpy = types.ModuleType("numpy")
    numpy.__dict__.update(vars(np) | {"float": float, "int": int, "complex": complex})
    module.__dict__["np"] = numpy
    return module


def _put_back(
    distutils: types.ModuleType, names: Mapping[str, Any], module: types.ModuleType | None
) -> None:
    """Leave `distutils` as it was."""
    for space, key, value in (
        (distutils.__dict__, "config", names.get("config")),
        (sys.modules, "distutils.config", module),
    ):
        if value is None:
            del space[key]
        else:
            space[key] = value


@functools.cache
def _angle() -> Any:
    return importlib.import_module("astropy.units").Quantity(360.0, "deg")
