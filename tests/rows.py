"""Datasets for tests, described by the shape of their rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from sbipipe.interfaces import Array, Data, Dataset, Fields, Geometry, Vectors


def described(x: Array, **geometry: Any) -> Data:
    """Vectors (N, L), or fields (N, C, *space) on a grid of this geometry."""
    if x.ndim == 2:
        return Vectors(components=tuple(f"x{i}" for i in range(x.shape[1])))
    grid = Geometry(pixels=x.shape[2:], **geometry)
    return Fields(geometry=grid, channels=tuple(f"channel {c}" for c in range(x.shape[1])))


def rows_of(theta: Array, x: Array, group: Array | None = None, **more: Any) -> Dataset:
    """Rows of the shape of x; each of a simulation of its own where `group` is not given."""
    group = np.arange(len(theta)) if group is None else group
    return Dataset(data=described(x), theta=theta, x=x, group=group, **more)


def simulated(simulator: Any, n: int, seed: int) -> Dataset:
    """Rows of a simulator at draws from its prior."""
    rng = np.random.default_rng(seed)
    theta = simulator.prior.sample(n, rng)
    return rows_of(theta=theta, x=simulator.simulate(theta, rng))
