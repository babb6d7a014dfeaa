r"""On which columns of an observation a power depends, and how.

**Forward selection**: the next column v is the one of largest

    |sum over rows of g v| / sqrt(1 + sum over rows of h v^2),

g the derivative of log p_b at the truth with respect to log b and h the expectation of minus the
second: Rao's score test of that column. All factors are then found anew by Fisher scoring, under a
standard normal prior, worth one row. How many columns are taken is decided by rows left out, in
which a further one has to gain more than its standard error: few rows allow none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sbipipe.interfaces import Array, Index
from sbipipe.posteriors.left_out import FOLDS, enough, folds
from sbipipe.recalibrations.tempered.likelihoods import Likelihoods
from sbipipe.recalibrations.tempered.powers import Powers

PAYS = 2.0
"""Standard errors that a further column has to gain: of 80 powers that were right everywhere, by
100 or 300 rows and with 40 columns to choose from, none was made to depend on any; with one
standard error 11 were."""

_STEPS, _LARGEST, _SMALL = 20, 0.5, 1e-5
"""Of Fisher scoring: how many, how far one goes, and which is the last."""


def path(found: Likelihoods, columns: Array, start: Powers, most: int) -> Iterator[Powers]:
    """The best powers of 0, 1, ..., `most` columns (B, K)."""
    powers = _fitted(start, found, columns)
    yield powers
    for _ in range(most):
        slope, bend = found.slopes(powers.at(columns))
        scores = np.abs(slope @ columns) / np.sqrt(bend @ columns**2 + 1)
        scores[powers.column] = -1.0
        more = Powers(
            strength=powers.strength,
            column=np.append(powers.column, scores.argmax()),
            size=np.append(powers.size, 0.0),
            edges=powers.edges,
        )
        powers = _fitted(more, found, columns)
        yield powers


def _fitted(powers: Powers, found: Likelihoods, columns: Array) -> Powers:
    """With the same columns, the most probable b_0 and c."""
    design = np.concatenate([np.ones((len(columns), 1)), columns[:, powers.column]], 1)
    prior = np.diag([0.0, *np.ones(len(powers.size))])
    c = np.array([np.log(powers.strength), *powers.size])
    for _ in range(_STEPS):
        b = np.exp(np.clip(design @ c, *np.log(powers.edges)))
        slope, bend = found.slopes(b)
        step = np.linalg.solve((design.T * bend) @ design + prior, slope @ design - prior @ c)
        c = c + step * min(1.0, _LARGEST / np.abs(step).max())
        if np.abs(step).max() < _SMALL:
            break
    return Powers(
        strength=float(np.exp(c[0])), column=powers.column, size=c[1:], edges=powers.edges
    )


def by_region(
    found: Likelihoods, columns: Array, group: Index, start: Powers, most: int, seed: int
) -> tuple[Powers, Array]:
    """Powers of as many columns as pay, and what each row, left out, gains by them, (B,).

    Args:
        group: The simulation of each row, with shape (B,).
        start: The one power for all, which is kept where no column pays.
    """
    gains = np.zeros((most + 1, len(columns)))
    if not most or len(np.unique(group)) < FOLDS:
        return start, gains[0]
    for kept, left_out in folds(group, seed):
        others = found.some(left_out)
        for k, powers in enumerate(path(found.some(kept), columns[kept], start, most)):
            gains[k, left_out] = others.gained(powers.at(columns[left_out]))
    best = enough(gains, group, errors=PAYS)
    if not best:
        return start, 0 * gains[0]
    return list(path(found, columns, start, best))[-1], gains[best] - gains[0]


__all__ = ["by_region", "path"]
