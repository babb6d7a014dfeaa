"""lenstools behind one door (Petri 2016, arXiv:1606.01903); no other file imports it.

A map of n x n pixels is given the nominal angle of 360 degrees, so that lengths are in units of
(side / 2 pi) and wavenumbers in units of the fundamental mode. Maps are read in single precision.
lenstools takes every map to be periodic: gradients and neighbours reach across its sides.
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


def obstacle(data: Fields) -> str:
    """Why lenstools cannot measure these fields; empty where it can."""
    grid = data.geometry
    if grid.dimensions != 2 or not grid.square or grid.pixels[0] < SMALLEST:
        sort = {1: "profiles", 2: "maps", 3: "boxes"}[grid.dimensions]
        sides = " x ".join(map(str, grid.pixels))
        return f"given {sort} of {sides} pixels; allowed: square maps of at least {SMALLEST} a side"
    return "" if grid.periodic else "given maps that are not periodic; allowed: periodic ones"


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


def peak_heights(field: Array, highest: float) -> Array:
    """The heights of the peaks of a map (n, n), none of them above `highest`."""
    return np.asarray(_map(single(field)).locatePeaks(np.array([-highest, highest]))[0])


def peak_counts(field: Array, edges: Array) -> Array:
    """The number of peaks of a map (n, n) with height in [low, high) of each bin."""
    return np.asarray(_map(single(field)).peakCount(edges)[1] * np.diff(edges))


def minkowski_functionals(field: Array, levels: Array) -> Array:
    """V0, V1 and V2 of a map (n, n) in bins of the level, one after the other."""
    return np.concatenate(_map(single(field)).minkowskiFunctionals(levels)[1:])


def moments(field: Array) -> Array:
    """sigma0, sigma1, S0, S1, S2 and the connected K0, K1, K2, K3 of a map (n, n) less its mean."""
    whole = single(field)
    centred, derivatives = _map(whole - whole.mean()), _map(whole)
    centred.gradient_x, centred.gradient_y = derivatives.gradient()
    centred.hessian_xx, centred.hessian_yy, centred.hessian_xy = derivatives.hessian()
    return np.asarray(centred.moments(connected=True))


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
