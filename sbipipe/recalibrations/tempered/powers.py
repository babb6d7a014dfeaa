r"""A power of the likelihood that may depend on the observation.

With the columns v of an observation (`posteriors/where`),

    log b(x) = log b_0 + sum_t c_t v_t(x),

and b never leaves the range in which it is sought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sbipipe.interfaces import Array, Index


@dataclass(frozen=True, kw_only=True)
class Powers:
    """b(x).

    Attributes:
        strength: b_0.
        column: The column of each term, with shape (T,).
        size: The factor c of each term, with shape (T,).
        edges: The least and the largest b.
    """

    strength: float
    column: Index
    size: Array
    edges: tuple[float, float]

    @classmethod
    def one(cls, strength: float, edges: tuple[float, float]) -> Powers:
        """The same b for all."""
        return cls(strength=strength, column=np.zeros(0, int), size=np.zeros(0), edges=edges)

    @classmethod
    def restored(cls, arrays: Mapping[str, Array]) -> Powers:
        """The one with these `arrays`."""
        least, most = arrays["edges"].tolist()
        return cls(
            strength=float(arrays["strength"][0]),
            column=arrays["column"].astype(int),
            size=arrays["size"],
            edges=(least, most),
        )

    @property
    def arrays(self) -> dict[str, Array]:
        """What it is made of, by name."""
        return {
            "strength": np.array([self.strength]),
            "column": self.column.astype(np.float64),
            "size": self.size,
            "edges": np.array(self.edges),
        }

    def at(self, columns: Array) -> Array:
        """b of B observations with columns (B, K), with shape (B,)."""
        log_power = np.log(self.strength) + columns[:, self.column] @ self.size
        return np.asarray(np.exp(np.clip(log_power, *np.log(self.edges))))


__all__ = ["Powers"]
