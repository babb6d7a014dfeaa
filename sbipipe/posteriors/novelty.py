r"""Where does an observation lie among the training summaries?

A calibrated estimator can still be wrong for data unlike any it was trained on. Two distances of an
observation x from the training rows t_j are reported, both with every component standardised, and
bent where its tails are heavy (`learning.standardise`), so that one of them cannot hide the others:

- Mahalanobis', sqrt((x - m)^T C^-1 (x - m)), far where x is far from the cloud as a whole;
- the maximum mean discrepancy of the single observation (Gretton et al. 2012),

      MMD^2 = k(x, x) - 2 mean_j k(x, t_j) + mean_jl k(t_j, t_l),

  with k(a, b) = exp(-|a - b|^2 / 2 l^2) and l the median distance between training rows: far
  where x lies in a gap between them.

Neither is judged by a formula but against held-out rows: with n of them, of which r lie at least as
far, p = (1 + r) / (1 + n) is at most a with probability a for an observation from the same
simulations, whatever their distribution (conformal prediction; Vovk et al. 2005).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import linalg
from scipy.spatial.distance import cdist, pdist

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array
from sbipipe.learning.standardise import Standardise

LEVEL = 0.01
"""An observation from the simulations is called outside at most this often, by either distance."""

ROWS = 2000
"""The kernel looks at this many training rows at most."""

FLOOR = 1e-8
"""Directions in which the training rows do not vary get this share of the total variance."""


_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Novelty:
    """The cloud of training summaries.

    Args:
        train_x: With shape (N, L).

    Raises:
        ValueError: Where `train_x` is no matrix of at least two finite rows.
    """

    train_x: Array

    def __post_init__(self) -> None:
        _check("train_x", self.train_x, rows=2)

    def fit(self, valid_x: Array) -> Neighbourhood:
        """Measure how far held-out rows lie.

        Args:
            valid_x: Rows that are not in `train_x`, with shape (n, L).
        """
        _check("valid_x", valid_x, rows=1, columns=self.train_x.shape[1])
        standardise = Standardise(torch.from_numpy(np.array(self.train_x, np.float64)))
        rows = _standardised(standardise, self.train_x)
        mean = rows.mean(0)
        covariance = np.atleast_2d(np.cov(rows, rowvar=False))
        covariance += FLOOR * max(float(np.trace(covariance)), 1.0) * np.eye(len(covariance))
        chosen = rows[evenly(len(rows), ROWS)]
        distances = pdist(chosen)
        length = float(np.median(distances)) or 1.0
        cloud = _Cloud(
            standardise=standardise,
            mean=mean,
            cholesky=linalg.cholesky(covariance, lower=True),
            rows=chosen,
            length=length,
            within=float(_kernel(chosen, chosen, length).mean()),
        )
        valid = np.asarray(valid_x, np.float64)
        return Neighbourhood(
            cloud=cloud, mahalanobis=cloud.mahalanobis(valid), mmd=cloud.mmd(valid)
        )


@dataclass(frozen=True, kw_only=True)
class _Cloud:
    standardise: Standardise
    mean: Array
    cholesky: Array
    rows: Array
    length: float
    within: float

    def mahalanobis(self, x: Array) -> Array:
        """Distance of each row, (n, L) -> (n,)."""
        z = _standardised(self.standardise, x) - self.mean
        return np.asarray(
            np.linalg.norm(linalg.solve_triangular(self.cholesky, z.T, lower=True), axis=0)
        )

    def mmd(self, x: Array) -> Array:
        """MMD of each row on its own, (n, L) -> (n,)."""
        z = _standardised(self.standardise, x)
        squared = 1 - 2 * _kernel(z, self.rows, self.length).mean(1) + self.within
        return np.asarray(np.sqrt(np.maximum(0, squared)))


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """The cloud, with the distances of held-out rows from it."""

    cloud: _Cloud
    mahalanobis: Array
    mmd: Array

    def report(self, x: Array) -> dict[str, Any]:
        """Where one observation lies.

        Args:
            x: With shape (L,) or (1, L).

        Returns:
            Plain values: for "mahalanobis" and "mmd" the `distance`, its `percentile` among the
            held-out rows and `p_value`; `where`, "inside" or "outside"; `words`.
        """
        row = np.asarray(x, np.float64).reshape(1, -1)
        _check("x", row, rows=1, columns=len(self.cloud.mean))
        found = {
            "mahalanobis": _place(float(self.cloud.mahalanobis(row)[0]), self.mahalanobis),
            "mmd": _place(float(self.cloud.mmd(row)[0]), self.mmd),
        }
        n = len(self.mahalanobis)
        smallest = min(place["p_value"] for place in found.values())
        where = "outside" if smallest <= max(LEVEL, 1 / (n + 1)) else "inside"
        farthest = max(place["percentile"] for place in found.values())
        words = (
            f"{where} the training summaries: farther from them than {farthest:.1f} % of "
            f"{n} held-out simulations"
        )
        return {**found, "where": where, "words": words, "held_out": n}

    def places(self, x: Array) -> dict[str, Array]:
        """Where each observation lies; fields by their `features`.

        Args:
            x: With shape (B, L) or (B, C, *space).

        Returns:
            For each observation the percentiles of its distances among those of the held-out rows,
            and `outside`, 1 or 0; each with shape (B,).
        """
        reports = [self.report(row) for row in _vectors(x)]
        return {
            "mahalanobis_percentile": np.array([r["mahalanobis"]["percentile"] for r in reports]),
            "mmd_percentile": np.array([r["mmd"]["percentile"] for r in reports]),
            "outside": np.array([float(r["where"] == "outside") for r in reports]),
        }


def neighbourhood(train: Array, valid: Array) -> Neighbourhood:
    """Training rows, and how far held-out ones lie from them; fields by their `features`.

    Args:
        train: With shape (N, L) or (N, C, *space).
        valid: Independent rows that are not in `train`, with the shape of a row of it.
    """
    return Novelty(_vectors(train)).fit(_vectors(valid))


def among(
    read: Callable[[], Neighbourhood], whole: Callable[[], Neighbourhood], x: Array, fields: Array
) -> dict[str, Array]:
    """Where observations lie among the rows that an estimator was trained on; and, where what it
    reads is not all of them, as a whole among those of its simulator, since a summary may be blind.

    Args:
        read: What an estimator reads of the training rows; asked only where it is needed.
        whole: The training rows themselves.
        x: What the estimator reads of the observations, with shape (B, M) or (B, C, *space).
        fields: The observations, with shape (B, L) or (B, C, *space).
    """
    found = read().places(x)
    return found if np.array_equal(x, fields) else either(found, whole().places(fields))


def either(read: Mapping[str, Array], whole: Mapping[str, Array]) -> dict[str, Array]:
    """What `places` says of observations in two spaces, of which the second is named `whole`:
    outside is what lies outside in one of them."""
    beside = {f"whole_{name}": found for name, found in whole.items() if name != "outside"}
    return {**read, **beside, "outside": np.maximum(read["outside"], whole["outside"])}


def features(fields: Array) -> Array:
    """Moments of each channel and of its step to the next cell along each axis.

    For every channel, these are mean, log standard deviation, skewness and kurtosis of its values,
    and the log standard deviation of the steps, which knows the scale of its structure.

    Args:
        fields: With shape (N, C, *space).

    Returns:
        With shape (N, C * (4 + number of axes)).
    """
    channels = np.asarray(fields, np.float64).reshape(*fields.shape[:2], -1)
    centred = channels - channels.mean(-1, keepdims=True)
    width = centred.std(-1) + _TINY
    scaled = centred / width[..., None]
    steps = [
        np.diff(fields, axis=axis).reshape(*fields.shape[:2], -1).std(-1) + _TINY
        for axis in range(2, fields.ndim)
        if fields.shape[axis] > 1
    ]
    found = [channels.mean(-1), np.log(width), (scaled**3).mean(-1), (scaled**4).mean(-1)]
    return np.concatenate([*found, *map(np.log, steps)], axis=1)


def _vectors(rows: Array) -> Array:
    return features(rows) if rows.ndim > 2 else rows


def _standardised(standardise: Standardise, x: Array) -> Array:
    return np.asarray(standardise(torch.from_numpy(np.array(x, np.float64))))


def _kernel(a: Array, b: Array, length: float) -> Array:
    return np.asarray(np.exp(-cdist(a, b, "sqeuclidean") / (2 * length**2)))


def _place(distance: float, others: Array) -> dict[str, float]:
    as_far = int((others >= distance).sum())
    return {
        "distance": distance,
        "percentile": 100 * float((others < distance).mean()),
        "p_value": (1 + as_far) / (1 + len(others)),
    }


def _check(name: str, x: Array, rows: int, columns: int | None = None) -> None:
    shape = np.shape(x)
    if len(shape) != 2 or shape[0] < rows or columns not in (None, shape[1]):
        allowed = f"{rows} or more rows of {columns or 'any number of'} columns"
        raise ValueError(f"{name}: given shape {shape}; allowed: {allowed}")
    if not np.isfinite(x).all():
        raise ValueError(f"{name}: given NaN or infinity; allowed: finite values")
