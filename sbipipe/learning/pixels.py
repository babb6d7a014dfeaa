r"""Fields as emulators see them: an invertible map of every pixel's value.

`standard` shifts and scales. `gaussian` sends the quantiles of the training pixels to those of a
standard normal, linearly in between and beyond: strongly non-Gaussian fields become nearly Gaussian
ones, whose denoiser is nearly linear. The map y = g(x) is the same for every theta, so

    log p(x | theta) = log p(y | theta) + sum over pixels of log g'(x)

and no posterior changes. Each channel has its own.

Where many pixels have the least value (no streams that overlap, no halo), a share a of them, they
become the a-quantile of a normal, the floor, and all others what lies above it: whatever an
emulator draws below the floor is the least value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sbipipe.interfaces import Array

Kind = Literal["standard", "gaussian"]
Choice = Literal["auto", "gaussian", "standard"]

Model = TypeVar("Model")

_INNER = np.linspace(0.005, 0.995, 199)
_TAIL = np.geomspace(1e-5, 0.004, 12)
_STEP = 1e-6
"""How far a level below the floor leads below the least value, in units of the distance to the
next quantile."""

_SAMPLE = 2_000_000
"""Pixels that the quantiles are taken from, evenly spread over the rows."""


@dataclass(frozen=True)
class Pixels:
    """A monotone, piecewise linear map for each channel.

    Args:
        value: Knots in the simulator's units, with shape (C, K), rising.
        level: What they become, with shape (C, K), rising.
    """

    value: Array
    level: Array

    def __call__(self, x: Array) -> Array:
        """y (N, C, *space), float32, for fields x of the same shape."""
        return self._apply(x, self.value, self.level)

    def inverse(self, y: Array) -> Array:
        """x for y."""
        return self._apply(y, self.level, self.value)

    def log_jacobian(self, x: Array) -> Array:
        """Sum of log g'(x) over the pixels of each field, (N, C, *space) -> (N,)."""
        total = np.zeros(len(x))
        for channel, (value, level) in enumerate(zip(self.value, self.level, strict=True)):
            slopes = np.log(np.diff(level) / np.diff(value))
            where = np.searchsorted(value[1:-1], x[:, channel], side="right")
            total += slopes[where].reshape(len(x), -1).sum(1)
        return total

    @property
    def floor(self) -> Array:
        """What each channel's least value becomes where many pixels have it, with shape (C,); minus
        infinity where they do not."""
        steps = np.diff(self.value[:, :3])
        flat = steps[:, 0] <= 2 * _STEP * steps[:, -1] if steps.shape[1] > 1 else np.array([False])
        return np.where(flat, self.level[:, 1], -np.inf)

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """What the constructor takes, by name."""
        return {"value": self.value, "level": self.level}

    @staticmethod
    def _apply(x: Array, start: Array, end: Array) -> Array:
        out = np.empty(x.shape, np.float32)
        for channel, (a, b) in enumerate(zip(start, end, strict=True)):
            u = x[:, channel].astype(np.float64)
            inner = np.interp(u, a, b)
            below = np.minimum(u - a[0], 0) * (b[1] - b[0]) / (a[1] - a[0])
            above = np.maximum(u - a[-1], 0) * (b[-1] - b[-2]) / (a[-1] - a[-2])
            out[:, channel] = inner + below + above
        return out


def fit_pixels(x: Array, kind: Kind) -> Pixels:
    """The map for fields like x (N, C, *space)."""
    every = max(1, x[:, :1].size // _SAMPLE)
    channels = [x[:, channel].ravel()[::every].astype(np.float64) for channel in range(x.shape[1])]
    rows = [_standard(pixels) if kind == "standard" else _gaussian(pixels) for pixels in channels]
    least = min(len(value) for value, _ in rows)
    if kind == "gaussian" and least < len(_TAIL) * 2 + len(_INNER):
        rows = [_thinned(value, level, least) for value, level in rows]
    return Pixels(np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows]))


def best_pixels(
    x: Array, choice: Choice, fit: Callable[[Pixels], tuple[float, Model]]
) -> tuple[Pixels, Model]:
    """The map for fields like x (N, C, *space), and what is fitted to fields seen through it.

    Args:
        choice: The kind of the map; "auto" takes the one with the lesser loss.
        fit: Gives a loss, in nats a field in the simulator's units, and what has it.
    """
    kinds: tuple[Kind, ...] = ("standard", "gaussian") if choice == "auto" else (choice,)
    maps = [fit_pixels(x, kind) for kind in kinds]
    found = [(pixels, *fit(pixels)) for pixels in maps]
    pixels, _, model = min(found, key=lambda entry: entry[1])
    return pixels, model


def _standard(pixels: Array) -> tuple[Array, Array]:
    mean, sd = pixels.mean(), pixels.std()
    return np.array([mean - sd, mean + sd]), np.array([-1.0, 1.0])


def _gaussian(pixels: Array) -> tuple[Array, Array]:
    """Knots at distinct quantiles; the last slopes are those between the outermost knots."""
    q = np.concatenate([_TAIL, _INNER, 1 - _TAIL[::-1]])
    value, first = np.unique(np.quantile(pixels, q), return_index=True)
    if len(value) < 2:
        return _standard(pixels)
    level = ndtri(q[first])
    if first[1] == 1:
        return value, level
    floor = ndtri(q[first[1] - 1])
    below = value[0] - _STEP * (value[1] - value[0])
    levels = np.concatenate([[floor - 1, floor], level[1:]])
    return np.concatenate([[below], value]), levels


def _thinned(value: Array, level: Array, count: int) -> tuple[Array, Array]:
    """So many of the knots, the lowest two and the highest among them."""
    kept = np.append(0, np.linspace(1, len(value) - 1, count - 1).round().astype(int))
    return value[kept], level[kept]


__all__ = ["Choice", "Kind", "Pixels", "best_pixels", "fit_pixels"]
