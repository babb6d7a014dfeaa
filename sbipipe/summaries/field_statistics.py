"""Hand-made statistics of two-dimensional maps (`statistics.lensing_statistics` has each).

Nothing is learned. But the thresholds of the peak counts and of the Minkowski functionals, and the
reference spectrum that the band powers are relative to, are fixed from the train split, so that
they mean the same for every map. Components are made so that none has a heavy tail and all are
finite for any finite map: logarithms of powers and variances, 2 sqrt(count + 3/8) for counts
(Anscombe 1948), ratios for the higher orders. For a Gaussian field of zero mean the band powers are
close to sufficient; with the mean among the moments they are so for a lognormal field in its
logarithm.

Maps are shared among the workers that the caller allows: `joblib.parallel_config(n_jobs=...)`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, cast

import joblib
import numpy as np
from pydantic import Field

from sbipipe.config import plugin
from sbipipe.interfaces import Array, Dataset, History, InputError, Run, Summariser, Weights
from sbipipe.statistics.lensing_statistics import (
    STATISTICS,
    Grid,
    Statistic,
    make_grid,
    measure,
    names,
)

__all__ = ["FieldStatistics"]

CHUNK = 128
"""Maps that a worker takes at once."""

SMALLEST = 8
"""Pixels on a side, below which the bands would be empty."""


@plugin
class FieldStatistics:
    """Power spectrum, bispectrum, peak counts, Minkowski functionals and moments.

    Attributes:
        statistics: Which of them, in which order.
        bins: Bands of the power spectrum, from the fundamental mode to the corner of the
            Nyquist square; the bispectrum has half as many, to the Nyquist wavenumber. For
            lognormal maps of 32 x 32 pixels 16 bands lose 0.023 nats, 24 bands 0.012.
        thresholds: Bins of peak height, and of the level of the Minkowski functionals.
        reference: Maps of the train split, at most, that fix the thresholds and the reference
            spectrum.
    """

    statistics: Annotated[tuple[Statistic, ...], Field(min_length=1)] = STATISTICS
    bins: Annotated[int, Field(ge=2)] = 16
    thresholds: Annotated[int, Field(ge=2)] = 8
    reference: Annotated[int, Field(ge=1)] = 4000

    def fit(self, train: Dataset, valid: Dataset, run: Run) -> tuple[Summariser, History]:
        """Fix thresholds and reference spectrum on `train`.

        Raises:
            InputError: For fields that are no square maps.
        """
        start = time.perf_counter()
        _require_maps(train.x)
        rows = np.linspace(0, len(train) - 1, min(self.reference, len(train))).astype(int)
        grids = tuple(
            make_grid(channel, self.bins, self.thresholds)
            for channel in np.moveaxis(train.x[rows], 1, 0)
        )
        summariser = _Measured(statistics=self.statistics, grids=grids)
        return summariser, History(seconds=time.perf_counter() - start)

    def restore(self, weights: Weights, *, device: str = "cpu") -> Summariser:
        """The summariser with these thresholds; without networks, so `device` changes nothing."""
        channels = range(int(weights.meta["channels"]))
        grids = tuple(
            Grid(**{f.name: np.asarray(weights.arrays[f"{c}/{f.name}"]) for f in fields(Grid)})
            for c in channels
        )
        statistics = cast(tuple[Statistic, ...], tuple(weights.meta["statistics"]))
        return _Measured(statistics=statistics, grids=grids)


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """The statistics of every channel, measured where `grids` say."""

    statistics: tuple[Statistic, ...]
    grids: tuple[Grid, ...]

    def __call__(self, fields: Array) -> Array:
        """Vectors (N, L) for maps (N, C, side, side); raises InputError for another shape."""
        _require_maps(fields)
        allowed = (len(self.grids), self.grids[0].side)
        if fields.shape[1:3] != allowed:
            raise InputError(
                f"field_statistics: given (channels, side) {fields.shape[1:3]}; allowed: {allowed}"
            )
        chunks = [fields[start : start + CHUNK] for start in range(0, len(fields), CHUNK)]
        if not chunks:
            return np.empty((0, len(self.names)))
        task = joblib.delayed(_measure_chunk)
        parts = joblib.Parallel()(task(chunk, self.statistics, self.grids) for chunk in chunks)
        return np.concatenate(list(parts))

    @property
    def names(self) -> tuple[str, ...]:
        labels = [names(self.statistics, grid) for grid in self.grids]
        if len(labels) == 1:
            return labels[0]
        return tuple(f"channel {c}: {label}" for c, row in enumerate(labels) for label in row)

    @property
    def weights(self) -> Weights:
        arrays: Mapping[str, Any] = {
            f"{c}/{f.name}": getattr(grid, f.name)
            for c, grid in enumerate(self.grids)
            for f in fields(Grid)
        }
        meta = {"statistics": list(self.statistics), "channels": len(self.grids)}
        return Weights(arrays=arrays, meta=meta)


def _measure_chunk(
    maps: Array, statistics: tuple[Statistic, ...], grids: tuple[Grid, ...]
) -> Array:
    return np.stack(
        [
            np.concatenate(
                [measure(row, statistics, grid) for row, grid in zip(channels, grids, strict=True)]
            )
            for channels in maps
        ]
    )


def _require_maps(x: Array) -> None:
    if x.ndim != 4 or x.shape[2] != x.shape[3] or x.shape[2] < SMALLEST:
        raise InputError(
            f"field_statistics: given fields with shape (N, {', '.join(map(str, x.shape[1:]))}); "
            f"allowed: square maps (N, C, side, side) with side at least {SMALLEST}. "
            "Use cnn for other fields, identity for vectors"
        )
    if not np.isfinite(x).all():
        raise InputError("field_statistics: given fields with NaN or inf; allowed: finite ones")
