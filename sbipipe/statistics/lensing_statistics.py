"""Statistics of two-dimensional periodic maps, measured by lenstools.

The only module that imports lenstools (Petri 2016, arXiv:1606.01903). A map of N x N pixels is
given the nominal angle of 360 degrees, so that lengths are in units of (side / 2 pi) and
wavenumbers k in units of the fundamental mode, k = |(i, j)| with integers i and j.

Power spectrum. The mean over the modes of a band of |f_k|^2 / P_ref(k), where P_ref is a reference
spectrum for every k (the mean of the train split). Dividing mode by mode keeps a band from being
ruled by its lowest k, so that a band power is close to sufficient for a smooth spectrum; with
P_ref = 1 it is the ordinary band power. lenstools averages over the half plane that a real
transform stores, where the modes of its first and last column occur twice; weights of one half
make up for it.

Bispectrum, of the whitened map g_k = f_k / sqrt(P_ref(k)), in units of its band's power:
    Q(k) = <g_k g_p g_q> / <|g_k|^2>^{3/2},    k + p + q = 0,
equilateral (|p| ~ |q| ~ k) and folded (p ~ q ~ -k/2). lenstools rounds p to the grid towards zero
and closes the triangle with q, so triangles of small k are only roughly so.

Peak counts. Pixels higher than their eight neighbours, in bins of height.

Minkowski functionals of the excursion set {f >= nu} per unit area (pixels), from the gradient and
the Hessian by central differences (Lim & Simon 2012; Petri et al. 2013, arXiv:1309.4460):
    V0 = <[f >= nu]>,   V1 = 1/4 <delta(f - nu) |grad f|>,
    V2 = 1/(2 pi) <delta(f - nu) (2 fx fy fxy - fx^2 fyy - fy^2 fxx) / |grad f|^2>.

Moments (Munshi et al. 2012, arXiv:1103.1876): the mean, sigma_0 = sd(f), sigma_1 = rms |grad f|,
three cubic (S) and four connected quartic (K) ones of f - <f>, in units of powers of sigma_0 and
sigma_1.
"""

from __future__ import annotations

import configparser
import functools
import importlib
import itertools
import sys
import types
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from sbipipe.interfaces import Array, InputError

Statistic = Literal["power_spectrum", "bispectrum", "peak_counts", "minkowski", "moments"]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

TINY = 1e-30
"""Powers and variances below it count as it, so that the logarithm of a constant map is finite."""

HIGHEST = float(np.finfo(np.float32).max)
"""Outer edge of the bins of peaks: maps are read in single precision, so none is higher."""

MOMENTS = ("mean", "log sigma0", "log sigma1", "S0", "S1", "S2", "K0", "K1", "K2", "K3")


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


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the statistics of an N x N map are measured.

    Attributes:
        k: Edges of the bands of the power spectrum.
        triangles: Edges of the bands of the bispectrum.
        reference: P_ref, |f_k|^2 of every mode of the real transform, with shape (N, N // 2 + 1).
        peaks: Edges of the bins of peak height; the outer ones hold every peak.
        levels: Edges of the bins of nu; V0 is measured in their middle, V1 and V2 within them.
    """

    k: Array
    triangles: Array
    reference: Array
    peaks: Array
    levels: Array

    @property
    def side(self) -> int:
        """Pixels on a side."""
        return len(self.reference)

    @functools.cached_property
    def power_scale(self) -> Array:
        """Of the bands `k`."""
        return power_scale(self.k, self.reference)

    @functools.cached_property
    def triangle_scale(self) -> Array:
        """Of the bands `triangles`."""
        return power_scale(self.triangles, self.reference)

    @functools.cached_property
    def whitening(self) -> Array:
        """P_ref^(-3/2), and lenstools' normalisation of the bispectrum undone."""
        return np.asarray(_inverse(self.reference) ** 1.5 * self.side**6 / (2 * np.pi) ** 4)


def wavenumbers(side: int) -> Array:
    """k of every mode of the real transform, with shape (side, side // 2 + 1)."""
    first, last = np.fft.fftfreq(side) * side, np.fft.rfftfreq(side) * side
    return np.asarray(np.hypot(first[:, None], last))


def band_edges(side: int, bins: int) -> Array:
    """Bands of equal width in sqrt(k), which hold all modes but k = 0 and are narrow where a
    spectrum bends most; a band without a mode joins the one before."""
    k = wavenumbers(side)
    edges = np.linspace(np.sqrt(0.9), np.sqrt(k.max() + 1e-6), bins + 1) ** 2
    filled = np.histogram(k, edges)[0] > 0
    return np.asarray(edges[np.append(filled, True)])


def triangle_edges(side: int, bins: int) -> Array:
    """Bands of equal width, at least 1.5, from k = 2 to the Nyquist wavenumber."""
    return np.linspace(2.0, side / 2, max(1, min(bins, int((side / 2 - 2) / 1.5))) + 1)


def mean_power(maps: Array) -> Array:
    """|f_k|^2, averaged over maps (M, N, N) and over the modes of equal k, (N, N // 2 + 1)."""
    side = maps.shape[-1]
    squares = (np.fft.fftfreq(side) * side) ** 2
    shell = np.rint(squares[:, None] + squares).astype(int)
    power = np.zeros((side, side))
    for field in maps:
        power += np.abs(np.fft.fft2(field)) ** 2 / len(maps)
    mean = np.bincount(shell.ravel(), power.ravel()) / np.maximum(np.bincount(shell.ravel()), 1)
    return np.asarray(mean[shell][:, : side // 2 + 1])


def make_grid(maps: Array, bins: int, thresholds: int) -> Grid:
    """Bands for every mode of these maps, thresholds at the quantiles of their pixels and peaks.

    Args:
        maps: With shape (M, N, N).
        bins: Bands of the power spectrum; the bispectrum has half as many. Fewer where some
            would hold no mode.
        thresholds: Bins of the peak counts and of the Minkowski functionals; fewer where
            quantiles coincide.

    Raises:
        InputError: If nearly all pixels have one value.
    """
    side = maps.shape[-1]
    double = maps.astype(np.float64)
    levels = _quantiles(double.ravel(), np.linspace(0.02, 0.98, thresholds + 1))
    if len(levels) < 2:
        raise InputError(f"fields: given {levels[0]:g} nearly everywhere; allowed: maps that vary")
    heights = np.concatenate([_peak_heights(field) for field in maps] or [np.empty(0)])
    inner = _quantiles(heights, np.linspace(0, 1, thresholds + 1)[1:-1])
    return Grid(
        k=band_edges(side, bins),
        triangles=triangle_edges(side, bins // 2),
        reference=mean_power(double),
        peaks=np.concatenate([[-HIGHEST], inner, [HIGHEST]]),
        levels=levels,
    )


def _quantiles(values: Array, levels: Array) -> Array:
    return np.unique(np.quantile(values, levels)) if len(values) else np.empty(0)


def measure(field: Array, statistics: Collection[Statistic], grid: Grid) -> Array:
    """The statistics of one map (N, N), one after the other, with shape (L,)."""
    single = np.asarray(field, np.float32).astype(np.float64)
    whole, centred = _map(single), _map(single - single.mean())
    if {"minkowski", "moments"} & set(statistics):
        centred.gradient_x, centred.gradient_y = whole.gradient()
        centred.hessian_xx, centred.hessian_yy, centred.hessian_xy = whole.hessian()
    measured: Mapping[Statistic, Callable[[], Array]] = {
        "power_spectrum": lambda: log(band_power(centred, grid.k, grid.power_scale)),
        "bispectrum": lambda: reduced_bispectrum(centred, grid),
        "peak_counts": lambda: 2 * np.sqrt(peak_counts(whole, grid.peaks) + 3 / 8),
        "minkowski": lambda: np.concatenate(minkowski_functionals(whole, grid.levels)),
        "moments": lambda: np.concatenate([[single.mean()], moments(centred)]),
    }
    return np.concatenate([measured[name]() for name in statistics])


def log(values: Array) -> Array:
    """The natural logarithm, at least log(TINY)."""
    return np.asarray(np.log(np.maximum(values, TINY)))


def names(statistics: Collection[Statistic], grid: Grid) -> tuple[str, ...]:
    """A label for every component of `measure`."""
    folds = [
        f"{shape} bispectrum, k = {_bin}" for shape in SHAPES for _bin in _bins(grid.triangles)
    ]
    labels: Mapping[Statistic, list[str]] = {
        "power_spectrum": [f"log power, k = {_bin}" for _bin in _bins(grid.k)],
        "bispectrum": folds,
        "peak_counts": [f"peaks, nu = {_bin}" for _bin in _bins(grid.peaks)],
        "minkowski": [f"V{i}, nu = {_bin}" for i in range(3) for _bin in _bins(grid.levels)],
        "moments": list(MOMENTS),
    }
    return tuple(label for name in statistics for label in labels[name])


SHAPES = ("equilateral", "folded")


def _bins(edges: Array) -> list[str]:
    shown = ["..." if abs(edge) == HIGHEST else f"{edge:.3g}" for edge in edges]
    return [f"{low} to {high}" for low, high in itertools.pairwise(shown)]


def _map(field: Array) -> Any:
    return _convergence().ConvergenceMap(field, _angle())


def _peak_heights(field: Array) -> Array:
    convergence = _map(np.asarray(field, np.float32).astype(np.float64))
    return np.asarray(convergence.locatePeaks(np.array([-HIGHEST, HIGHEST]))[0])


def band_power(field: Any, edges: Array, scale: Array) -> Array:
    """Mean of |f_k|^2 / P_ref(k) over the modes with k in (low, high], for a ConvergenceMap.

    Args:
        scale: `power_scale(edges, P_ref)`.
    """
    return np.asarray(field.powerSpectrum(edges, scale=lambda _: scale)[1])


def power_scale(edges: Array, reference: Array) -> Array:
    """What lenstools must multiply |f_k|^2 by: weight / P_ref, and its own normalisation undone."""
    side = len(reference)
    weight = np.ones_like(reference)
    weight[:, 0] = 0.5
    if side % 2 == 0:
        weight[:, -1] = 0.5
    band = np.searchsorted(edges, wavenumbers(side), side="left").ravel()
    hits = np.bincount(band, minlength=len(edges) + 1)
    weights = np.bincount(band, weight.ravel(), minlength=len(edges) + 1)
    mean = weight * (hits / np.maximum(weights, TINY))[band].reshape(weight.shape)
    return np.asarray(mean * _inverse(reference) * (side**2 / (2 * np.pi)) ** 2)


def _inverse(values: Array) -> Array:
    """1 / values, and zero where they are zero."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def reduced_bispectrum(field: Any, grid: Grid) -> Array:
    """Equilateral, then folded Q(k), with shape (2 * bands,), for a centred ConvergenceMap."""
    power = band_power(field, grid.triangles, grid.triangle_scale)
    triple = [
        field.bispectrum(grid.triangles, configuration=shape, scale=lambda _: grid.whitening)[1]
        for shape in SHAPES
    ]
    return np.concatenate([_ratio(bispectrum, power**1.5) for bispectrum in triple])


def peak_counts(field: Any, heights: Array) -> Array:
    """Number of peaks with height in [low, high) of each bin, for a ConvergenceMap."""
    return np.asarray(field.peakCount(heights)[1] * np.diff(heights))


def minkowski_functionals(field: Any, levels: Array) -> tuple[Array, Array, Array]:
    """V0 in the middle of the bins of nu, V1 and V2 averaged over them, for a ConvergenceMap."""
    _, v0, v1, v2 = field.minkowskiFunctionals(levels)
    return v0, v1, v2


def moments(field: Any) -> Array:
    """The nine moments of a centred ConvergenceMap, as `MOMENTS` names them after the mean."""
    sigma0, sigma1, *higher = field.moments(connected=True)
    units = [
        sigma0**3,
        sigma0 * sigma1**2,
        sigma1**4 / max(sigma0, TINY),
        sigma0**4,
        sigma0**2 * sigma1**2,
        sigma1**4,
        sigma1**4,
    ]
    return np.concatenate(
        [log(np.array([sigma0, sigma1])), _ratio(np.array(higher), np.array(units))]
    )


def _ratio(a: Array, b: Array) -> Array:
    """a / b, and zero where b vanishes (a map without power has no shape)."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > TINY)
