"""Weighted particles of several observations: their effective number, and draws from them."""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Array, Generator, Index


def log_normal(u: Array) -> Array:
    """log N(u; 0, I), (..., D) -> (...)."""
    return np.asarray(-0.5 * (u**2 + np.log(2 * np.pi)).sum(-1))


def resample(weights: Array, n: int, rng: Generator) -> Index:
    """Systematic resampling of each observation's particles, shuffled.

    Args:
        weights: Not negative, with shape (S, B).

    Returns:
        Indices into the first axis, with shape (n, B).
    """
    share = weights.cumsum(0) / weights.sum(0)
    share[-1] = 1.0
    points = (np.arange(n)[:, None] + rng.random(weights.shape[1])) / n
    return _shuffled(_inverse(share, points), rng)


def effective_size(weights: Array) -> Array:
    """Kish's effective number of weighted particles, (S, B) -> (B,)."""
    return np.asarray(weights.sum(0) ** 2 / (weights**2).sum(0))


def relative(log_weight: Array) -> Array:
    """exp, scaled to a largest value of one in each column; all ones where that is not finite."""
    top = log_weight.max(0)
    good = np.isfinite(top)
    return np.where(good, np.exp(np.where(good, log_weight - np.where(good, top, 0), 0)), 1.0)


def pick(values: Array, index: Index) -> Array:
    """values (S, B) or (S, B, D) at index (n, B)."""
    return np.asarray(
        np.take_along_axis(values, index if values.ndim == 2 else index[..., None], 0)
    )


def counts(index: Index, size: int) -> Index:
    """How often each of `size` particles was chosen, (n, b) -> (size, b)."""
    return np.stack([np.bincount(column, minlength=size) for column in index.T], 1)


def _inverse(share: Array, points: Array) -> Index:
    """For each observation, where points (n, B) fall among cumulated shares (S, B)."""
    columns = [np.searchsorted(s, p, side="right") for s, p in zip(share.T, points.T, strict=True)]
    return np.asarray(np.minimum(np.stack(columns, 1), len(share) - 1))


def _shuffled(index: Index, rng: Generator) -> Index:
    return np.asarray(np.take_along_axis(index, rng.random(index.shape).argsort(0), 0))


__all__ = ["counts", "effective_size", "pick", "relative", "resample"]
