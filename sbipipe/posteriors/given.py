r"""What an estimator is given of an observation, in a few numbers: where a posterior may be wrong.

Short vectors are taken as they are. Of longer ones, the leading principal directions: each
component is replaced by the normal scores of its ranks, so that neither its scale nor a tail
decides, and the scores are projected on the right singular vectors of largest singular value. Of
fields, the mean and the standard deviation of each channel. Whatever they are, they are functions
of the data alone, given which the ranks of an exact posterior stay uniform.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy

from sbipipe.interfaces import Array, Dataset, Fields

LARGEST = 8
"""As many numbers as are taken of an observation."""


def given(rows: Dataset) -> dict[str, Array]:
    """Numbers of each of B observations, by name, each with shape (B,); NaN where the observation
    itself is not finite."""
    if isinstance(rows.data, Fields):
        numbers = dict(_moments(rows.x, rows.data))
    elif rows.x.shape[1] > LARGEST:
        numbers = _directions(np.asarray(rows.x, np.float64))
    else:
        columns = np.asarray(rows.x, np.float64).T
        numbers = dict(zip(rows.data.components, columns, strict=True))
    return dict(list(numbers.items())[:LARGEST])


def _moments(fields: Array, data: Fields) -> Iterator[tuple[str, Array]]:
    for channel, name in enumerate(data.channels):
        pixels = np.asarray(fields[:, channel], np.float64).reshape(len(fields), -1)
        yield f"the mean of {name}", pixels.mean(1)
        yield f"the scatter of {name}", pixels.std(1)


def _directions(x: Array) -> dict[str, Array]:
    """Projections of (B, L) on its leading principal directions."""
    known = np.isfinite(x).all(1)
    found = np.full((len(x), LARGEST), np.nan)
    if known.any():
        ranks = scipy.stats.rankdata(x[known], axis=0) / (known.sum() + 1)
        scores = scipy.stats.norm.ppf(ranks)
        left, strength, _ = np.linalg.svd(scores - scores.mean(0), full_matrices=False)
        projected = (left * strength)[:, :LARGEST]
        found[known, : projected.shape[1]] = projected
    return {f"principal direction {i + 1} of the data": found[:, i] for i in range(LARGEST)}
