r"""What an estimator is given of an observation, in a few numbers: where a posterior may be wrong.

Short vectors are taken as they are. Of longer ones, the leading principal directions: each
component is replaced by the normal scores of its ranks, so that neither its scale nor a tail
decides, and the scores are projected on the right singular vectors of largest singular value. Of
fields, the mean and the standard deviation of each channel. Whatever they are, they are functions
of the data alone, given which the ranks of an exact posterior stay uniform.

Ranks and directions are those of some rows, and may be asked for of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy

from sbipipe.interfaces import Array, Dataset, Fields

LARGEST = 8
"""As many numbers as are taken of an observation."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """The numbers of any observation, learned from some.

    Attributes:
        ordered: The components of the rows, each in rising order, with shape (N, L); with no column
            where vectors are short, or of fields.
        directions: The centre of the normal scores (L,), and under it the principal directions
            (LARGEST, L), with shape (LARGEST + 1, L).
    """

    ordered: Array
    directions: Array

    @classmethod
    def of(cls, x: Array) -> Given:
        """From rows (N, ...), of which those that are not finite say nothing."""
        if x.ndim > 2 or x.shape[1] <= LARGEST:
            return cls(ordered=np.zeros((len(x), 0)), directions=np.zeros((LARGEST + 1, 0)))
        known = np.asarray(x, np.float64)[np.isfinite(x).all(1)]
        ordered, directions = np.sort(known, 0), np.zeros((LARGEST + 1, x.shape[1]))
        if len(known):
            scores = _normal_scores(known, ordered)
            directions[0] = scores.mean(0)
            right = np.linalg.svd(scores - directions[0], full_matrices=False)[2][:LARGEST]
            directions[1 : 1 + len(right)] = right
        return cls(ordered=ordered, directions=directions)

    @classmethod
    def restored(cls, arrays: Mapping[str, Array]) -> Given:
        """The one with these `arrays`."""
        return cls(ordered=arrays["ordered"], directions=arrays["directions"])

    @property
    def arrays(self) -> dict[str, Array]:
        """What it is made of, by name."""
        return {"ordered": self.ordered, "directions": self.directions}

    def __call__(self, x: Array) -> Array:
        """At most `LARGEST` numbers of each of B observations, (B, ...) -> (B, G); NaN where an
        observation is not finite."""
        if x.ndim > 2:
            return _moments(x)[:, :LARGEST]
        if not self.ordered.shape[1]:
            return np.array(x, np.float64)
        known = np.isfinite(x).all(1)
        found = np.full((len(x), LARGEST), np.nan)
        scores = _normal_scores(np.asarray(x[known], np.float64), self.ordered)
        found[known] = (scores - self.directions[0]) @ self.directions[1:].T
        return found


def given(rows: Dataset) -> dict[str, Array]:
    """Numbers of each of B observations, by name, each with shape (B,); NaN where the observation
    itself is not finite."""
    return dict(zip(names_of(rows), Given.of(rows.x)(rows.x).T, strict=True))


def names_of(rows: Dataset) -> tuple[str, ...]:
    """What the numbers are, in words; at most `LARGEST`."""
    if isinstance(rows.data, Fields):
        pairs = product(rows.data.channels, ("mean", "scatter"))
        return tuple(f"the {kind} of {name}" for name, kind in pairs)[:LARGEST]
    if rows.x.shape[1] > LARGEST:
        return tuple(f"principal direction {i + 1} of the data" for i in range(LARGEST))
    return tuple(rows.data.components)


def _moments(fields: Array) -> Array:
    """The mean and scatter of each channel of (B, C, *space), with shape (B, 2 C)."""
    pixels = np.asarray(fields, np.float64).reshape(*fields.shape[:2], -1)
    return np.stack([pixels.mean(2), pixels.std(2)], 2).reshape(len(fields), -1)


def below(ordered: Array, values: Array) -> Array:
    """How many of the ordered (N, L) lie below values (B, L), halves where they tie, (B, L)."""
    columns = zip(ordered.T, values.T, strict=True)
    sides = [[o.searchsorted(v, side=s) for s in ("left", "right")] for o, v in columns]
    return np.asarray(np.mean(sides, 1).T)


def _normal_scores(x: Array, ordered: Array) -> Array:
    """Of the ranks of (B, L) among the ordered (N, L)."""
    return np.asarray(scipy.stats.norm.ppf((below(ordered, x) + 0.5) / (len(ordered) + 1)))


__all__ = ["LARGEST", "Given", "below", "given", "names_of"]
