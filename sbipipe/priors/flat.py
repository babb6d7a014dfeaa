"""The uniform distribution, as scipy has it and to the bit, without the second that it takes to
import `scipy.stats`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sbipipe.interfaces import Array


@dataclass(frozen=True)
class Flat:
    """Uniform on [low, low + width]; NaN where the width is not above zero.

    Attributes:
        low: The lower edge, a number or an array.
        width: The distance to the upper edge, of the same shape.
    """

    low: Any
    width: Any

    def logpdf(self, x: Array) -> Array:
        """The log density in nats; minus infinity outside."""
        z = self._place(x)
        inside = np.where((z >= 0) & (z <= 1), 0.0, -np.inf)
        return np.asarray(np.where(np.isnan(z), np.nan, inside - np.log(self._room)))

    def cdf(self, x: Array) -> Array:
        """The share of the distribution below x."""
        return np.asarray(np.clip(self._place(x), 0.0, 1.0))

    def ppf(self, q: Array) -> Array:
        """The inverse of `cdf`; NaN for q outside [0, 1]."""
        q = np.asarray(q, np.float64)
        return np.asarray(np.where((q >= 0) & (q <= 1), q, np.nan) * self._room + self.low)

    def support(self) -> tuple[Any, Any]:
        """The edges."""
        return self.low, self.low + self.width

    def var(self) -> Any:
        """The variance."""
        return 1 / 12 * self.width * self.width

    @property
    def _room(self) -> Array:
        """The width where there is one, NaN elsewhere."""
        return np.where(np.asarray(self.width) > 0, self.width, np.nan)

    def _place(self, x: Array) -> Array:
        """x between the edges, from 0 to 1."""
        return np.asarray((np.asarray(x, np.float64) - self.low) / self._room)


__all__ = ["Flat"]
