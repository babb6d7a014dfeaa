"""Maps whose statistics are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from sbipipe.interfaces import Array, Fields, Geometry

SIDE = 32


def grid(side: int = SIDE, channels: int = 1, **geometry: Any) -> Fields:
    """Square maps."""
    names = tuple(f"channel {c}" for c in range(channels))
    return Fields(geometry=Geometry(pixels=(side, side), **geometry), channels=names)


def white(count: int, side: int = SIDE, seed: int = 1) -> Array:
    """White noise in single precision, with shape (count, 1, side, side)."""
    maps = np.random.default_rng(seed).normal(size=(count, 1, side, side))
    return maps.astype(np.float32).astype(np.float64)


def smooth(count: int, seed: int = 1) -> tuple[Array, Array]:
    """Gaussian maps (count, 1, SIDE, SIDE), and <|F_k|^2> of every mode (SIDE, SIDE)."""
    k = plane(SIDE)
    power = np.where(k > 0, np.exp(-((k / 6) ** 2)), 0) * SIDE**2
    modes = np.fft.fft2(white(count, seed=seed)) * np.sqrt(power) / SIDE
    return np.fft.ifft2(modes).real, power


def plane(side: int) -> Array:
    """k of every mode in numpy's order of `fft2`, in cycles along a side."""
    frequency = np.fft.fftfreq(side) * side
    return np.hypot(frequency[:, None], frequency)
