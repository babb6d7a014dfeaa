r"""Theta to the power spectrum with error bars, by Gaussian processes.

Of each simulation the power of its fields is averaged in bands of wavenumber (`physics.bands`). The
logarithm of that, y, is a smooth function of the parameters plus what this simulation happens to
have,

    y(theta) = m + s [f(theta) + e],    e ~ N(0, sigma^2),    f a Gaussian process with covariance
    <f(q) f(q')> = a^2 exp(-sum_d (q_d - q'_d)^2 / (2 l_d^2)),

where m and s are the mean and the standard deviation over simulations and q the prior's quantiles
of theta. a, the lengths l and the noise sigma maximise the marginal likelihood, each band's for
itself (Rasmussen & Williams 2006, chs. 2 and 5; of spectra, Heitmann et al. 2009, arXiv 0902.0429).
So f is known at any theta up to an error of its own, and a simulation there scatters about it by
s sigma. The mean of fields is predicted in the same way.

What it draws are Gaussian fields with that mean and that spectrum and nothing else that true ones
have: the baseline that every generator must beat. The logarithm of the mean power lies above the
mean of the logarithm, by log <exp(y - m - s f)> over the simulations (Duan 1983, J. Am. Stat.
Assoc. 78, 605). Channels are drawn independently of each other.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter
from scipy.special import ndtri

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Dataset, Fields, Generator, History, Run, Weights
from sbipipe.learning.scoring import fields_of
from sbipipe.physics.bands import Bands, bands_of
from sbipipe.protocols import Emulator, Prior
from sbipipe.records import Positive, plugin
from sbipipe.storage import check_same

AMPLITUDES, LENGTHS, NOISES = (1e-2, 1e4), (0.05, 100.0), (1e-6, 10.0)
"""Where a^2, l and sigma^2 may lie."""

FLOOR = 1e-12
"""The power of a band, at least, in that of the strongest."""

CELLS = 2**20
"""Pixels that are measured, or drawn, at once."""


class LogPower(NamedTuple):
    """The predicted power of each of C channels in b bands; that of k = 0 is none of them.

    Attributes:
        k: The mean wavenumber of the modes of each band, with shape (b,) [`geometry.k_unit`].
        mean: ln P, with shape (N, C, b); P is in the square of a pixel's unit times
            `geometry.volume_unit`.
        error: The standard deviation of `mean` about the truth, with shape (N, C, b).
        scatter: The standard deviation of one simulation's ln P, with shape (C, b).
    """

    k: Array
    mean: Array
    error: Array
    scatter: Array


@plugin
class GaussianProcess:
    """Gaussian processes of the power spectrum.

    Attributes:
        simulations: The number of training simulations that are learned from, at most, spread
            evenly over all; the time that this takes grows as its cube.
    """

    simulations: Positive = 500

    scores: ClassVar[bool] = False

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {"simulations": 100}

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """Learn from `train`; the notes tell how it does on `valid`.

        Raises:
            InputError: For vectors.
        """
        begin = time.perf_counter()
        data = fields_of(train, 1, "gaussian_process")
        theta, y, within = _measured(train, _bands(data))
        some = evenly(len(theta), self.simulations)
        place, y = prior.to_unit(theta[some]), y[some]
        columns = _standardised(y).reshape(len(y), -1).T
        hyper = np.stack([_learned(place, column).kernel_.theta for column in columns])
        known = GaussianProcessEmulator(
            data=data, settings=self, prior=prior, place=place, y=y, within=within,
            hyper=hyper.reshape(*y.shape[1:], -1),
        )  # fmt: skip
        notes = {"spectrum": known.judged(valid)} if len(valid) else {}
        return known, History(seconds=time.perf_counter() - begin, notes=notes)

    def restore(self, weights: Weights, prior: Prior, *, device: str = "cpu") -> Emulator:
        """The emulator that gave these weights."""
        check_same(weights, self._config)
        data = TypeAdapter(Fields).validate_python(weights.meta["data"])
        return GaussianProcessEmulator(data=data, settings=self, prior=prior, **weights.arrays)

    @property
    def _config(self) -> dict[str, Any]:
        return {"simulations": self.simulations}


@dataclass(frozen=True, kw_only=True)
class GaussianProcessEmulator:
    """Predicts spectra, and draws Gaussian fields that have them.

    Attributes:
        data: What it draws.
        place: The prior's quantiles of the M simulations that it knows, with shape (M, D).
        y: The mean of their fields, then log power in b bands, with shape (M, C, 1 + b).
        within: The standard deviation of the means of fields of one simulation, with shape (C,).
        hyper: The logarithms of a^2, l and sigma^2, with shape (C, 1 + b, D + 2).
    """

    data: Fields
    settings: GaussianProcess
    prior: Prior
    place: Array
    y: Array
    within: Array
    hyper: Array

    def spectrum(self, theta: Array) -> LogPower:
        """The power of fields at theta (N, D), with its error."""
        grid = self.data.geometry
        cell = (grid.box or 1.0) / grid.pixels[0]
        unit = 2 * np.pi / cell if grid.box else grid.pixels[0]
        mean, error = self._predicted(self.prior.to_unit(theta))
        return LogPower(
            k=self._bands.lengths[1:] * unit,
            mean=mean[..., 1:] + self._raised + grid.dimensions * np.log(cell),
            error=error[..., 1:],
            scatter=self._scatter[:, 1:],
        )

    def draw(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
        """Gaussian fields (N, C, *space) in the simulator's units, for theta (N, D)."""
        source = torch.Generator().manual_seed(int(rng.integers(2**62)))
        one = torch.randn(self.data.shape, generator=source) if same_noise else None
        gains = torch.from_numpy(self._gains(theta)).float()
        parts = [torch.empty(0, *self.data.shape)]
        for part in torch.split(gains, _together(self.data.shape)) if len(theta) else ():
            shape = (len(part), *self.data.shape)
            noise = torch.randn(shape, generator=source) if one is None else one.expand(shape)
            parts.append(self._bands.filter(noise, part))
        return np.asarray(torch.cat(parts).numpy())

    def judged(self, rows: Dataset) -> dict[str, float]:
        """How far ln P of held-out simulations lies from the prediction, and how often within its
        bars, which hold error and scatter."""
        theta, y, _ = _measured(rows, self._bands)
        mean, error = self._predicted(self.prior.to_unit(theta))
        away, bar = (y - mean)[..., 1:], np.hypot(error, self._scatter)[..., 1:]
        inside = {level: np.abs(away) < ndtri(0.5 + level / 200) * bar for level in (68, 95)}
        return {
            "simulations": len(theta),
            "difference_percent": 100 * _rms(away),
            "expected_percent": 100 * _rms(bar),
            "error_percent": 100 * _rms(error[..., 1:]),
            **{f"covered_{level}": float(one.mean()) for level, one in inside.items()},
        }

    @property
    def weights(self) -> Weights:
        """All that `GaussianProcess.restore` needs."""
        arrays = {name: getattr(self, name) for name in ("place", "y", "within", "hyper")}
        data = TypeAdapter(Fields).dump_python(self.data, mode="json")
        return Weights(arrays=arrays, meta={"config": self.settings._config, "data": data})

    @property
    def _bands(self) -> Bands:
        return _bands(self.data)

    @cached_property
    def _processes(self) -> list[Any]:
        columns = _standardised(self.y).reshape(len(self.y), -1).T
        every = self.hyper.reshape(len(columns), -1)
        return [_learned(self.place, *pair) for pair in zip(columns, every, strict=True)]

    def _predicted(self, q: Array) -> tuple[Array, Array]:
        """m + s f and its error at quantiles (N, D), each with shape (N, C, 1 + b)."""
        found = np.array([process.predict(q, return_std=True) for process in self._processes])
        f, sd = found.transpose(1, 2, 0).reshape(2, len(q), *self.y.shape[1:])
        m, s = _moments(self.y)
        of_f = sd**2 - np.exp(self.hyper[..., -1])  # sd is that of y, noise included
        return m + s * f, s * np.sqrt(np.maximum(of_f, 0))

    @property
    def _scatter(self) -> Array:
        """s sigma, with shape (C, 1 + b)."""
        return np.asarray(_moments(self.y)[1] * np.exp(self.hyper[..., -1] / 2))

    @cached_property
    def _raised(self) -> Array:
        """By how much the logarithm of the mean power lies above the mean of the logarithm, with
        shape (C, b)."""
        residual = (self.y - self._predicted(self.place)[0])[..., 1:]
        return np.asarray(np.log(np.exp(residual).mean(0)))

    def _gains(self, theta: Array) -> Array:
        """What makes fields of white noise (`Bands.filter`), with shape (N, 1 + b, C, C + 1)."""
        mean, _ = self._predicted(self.prior.to_unit(theta))
        channels = range(len(self.within))
        scale = np.empty_like(mean)
        scale[..., 1:] = np.exp((mean[..., 1:] + self._raised) / 2)
        scale[..., 0] = np.hypot(self._scatter[:, 0], self.within) * self._bands.pixels**0.5
        gains = np.zeros((len(mean), len(self._bands), len(channels), len(channels) + 1))
        gains[:, :, channels, channels] = scale.swapaxes(1, 2)
        gains[:, 0, :, -1] = mean[..., 0]
        return gains


def _bands(data: Fields) -> Bands:
    return bands_of(data.shape, periodic=data.geometry.periodic)


def _measured(rows: Dataset, bands: Bands) -> tuple[Array, Array, Array]:
    """What is known of G simulations.

    Returns:
        theta (G, D); the mean of their fields and log power in b bands, with shape (G, C, 1 + b);
        the standard deviation of the means of fields about their simulation's, with shape (C,).
    """
    parts = np.array_split(rows.x, -(-len(rows) // _together(rows.x.shape[1:])))
    each = np.concatenate([_of_fields(np.asarray(part), bands) for part in parts])
    _, first, group, number = np.unique(
        rows.group, return_index=True, return_inverse=True, return_counts=True
    )
    y = np.zeros((len(first), *each.shape[1:]))
    np.add.at(y, group, each)
    y /= number[:, None, None]
    within = (each - y[group])[..., 0].std(0)
    power = y[..., 1:]
    y[..., 1:] = np.log(np.maximum(power, FLOOR * power.max((0, 2), keepdims=True)))
    return rows.theta[first], y, within


def _of_fields(x: Array, bands: Bands) -> Array:
    """The mean and the power of each of n fields, with shape (n, C, 1 + b)."""
    channels = range(x.shape[1])
    moments = bands.moments(torch.from_numpy(x)).numpy()
    found = moments[:, :, channels, channels] / bands.modes[:, None]
    found[:, 0] = moments[:, 0, :-1, -1] / bands.pixels
    return np.asarray(found.swapaxes(1, 2))


def _together(shape: Sequence[int]) -> int:
    """How many fields of this shape are worked on at once."""
    return max(1, CELLS // math.prod(shape))


def _rms(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))


def _moments(y: Array) -> tuple[Array, Array]:
    """m and s over simulations; s is one where nothing varies."""
    s = y.std(0)
    return y.mean(0), np.where(s > 0, s, 1.0)


def _standardised(y: Array) -> Array:
    m, s = _moments(y)
    return np.asarray((y - m) / s)


def _learned(place: Array, y: Array, hyper: Array | None = None) -> Any:
    """The Gaussian process of y (M,) at quantiles (M, D), with these hyperparameters or the most
    likely ones."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    smooth = ConstantKernel(10.0, AMPLITUDES) * RBF(np.ones(place.shape[1]), LENGTHS)
    kernel = smooth + WhiteKernel(0.1, NOISES)
    with warnings.catch_warnings():  # of a length at its bound: that parameter does not matter
        warnings.simplefilter("ignore", ConvergenceWarning)
        if hyper is None:
            return GaussianProcessRegressor(kernel).fit(place, y)
        fixed = kernel.clone_with_theta(hyper)
        return GaussianProcessRegressor(fixed, optimizer=None).fit(place, y)


__all__ = ["GaussianProcess"]
