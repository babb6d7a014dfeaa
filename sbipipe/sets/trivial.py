r"""What can be known of theta without looking: from a row's number, or from three moments of it.

Random forests (Breiman 2001) predict the ranks of the parameters. Each tree leaves out a third of
the simulations, and the share of the variance that the trees explain where they did not learn,

    R^2 = 1 - mean (rank - prediction)^2 / var rank,

is what their features know. Numbers that know theta are those of an ordered file, harmless where
splits are drawn by hash and data carry no trace of the order. Moments (least, mean, standard
deviation) that know nearly all of theta are a unit, a mean or an offset that gives it away, or a
problem that needs no network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from sbipipe.interfaces import Array, Dataset, Generator, Index

MOST = 2000
"""Simulations that are enough."""

TREES = 100
LEAF = 5
"""The fewest simulations in a leaf."""


@dataclass(frozen=True, kw_only=True)
class Trivial:
    """The share of the variance of each parameter's ranks that trivial features explain.

    Attributes:
        parameters: The names of the D parameters.
        number: By the number of the simulation, with shape (D,).
        moments: By the least value, mean and standard deviation of a row, with shape (D,).
    """

    parameters: tuple[str, ...]
    number: Array
    moments: Array


def known(rows: Dataset, parameters: tuple[str, ...], rng: Generator) -> Trivial:
    """What trivial features of these rows know; one row of each simulation is looked at."""
    rows = rows.rows(rows.finite).one_per_group(rng)
    rows = rows.rows(np.sort(rng.permutation(len(rows))[:MOST]))
    moments = np.array([(x.min(), x.mean(dtype=float), x.std(dtype=float)) for x in rows.x])
    rank = scipy.stats.rankdata(rows.theta, axis=0) / len(rows)
    seed = int(rng.integers(2**32))
    return Trivial(
        parameters=parameters,
        number=_explained(rows.group[:, None], rank, seed),
        moments=_explained(moments, rank, seed),
    )


def _explained(features: Array | Index, rank: Array, seed: int) -> Array:
    """R^2 of each column of ranks (N, D) by features (N, K), with shape (D,); at least zero."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(
        TREES, min_samples_leaf=LEAF, oob_score=True, random_state=seed
    ).fit(features, rank if rank.shape[1] > 1 else rank[:, 0])
    error = rank - forest.oob_prediction_.reshape(rank.shape)
    return np.asarray(np.clip(1 - (error**2).mean(0) / rank.var(0), 0, 1))
