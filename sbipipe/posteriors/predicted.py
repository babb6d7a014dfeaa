r"""Posterior predictive check: does the posterior make data like those observed?

Parameters are drawn from the posterior of an observation x_o, the simulator is run at each, and its
rows are summarised as those of the study are: vectors x_m, m = 1..M. For each component, the share
of x_m that lie below x_o is looked at. For all together each of the M + 1 vectors has a distance
from the mean of all, in units of their covariance (of their variances alone, where components are
more than M / 4), and

    p = number of vectors at least as far as x_o / (M + 1).

Small p: the model does not make such data, whatever its parameters (Gelman, Meng & Stern 1996,
Statistica Sinica 6, 733). The observation has chosen the parameters, so p leans away from 0 where
all is well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbipipe.interfaces import Array

SHOWN = 24
"""Components that are kept, at most."""

FEWEST = 20
"""Rows, the observation among them, that a distribution is made of."""

RIDGE = 1e-6
"""Added to the correlation matrix, for components that are functions of each other."""


@dataclass(frozen=True, kw_only=True)
class Predictive:
    """Simulated data beside an observation, in units of their own mean and spread.

    Attributes:
        components: The names of the L components that are kept.
        simulated: The simulated data, with shape (M, L).
        observed: The observation, with shape (L,).
        p_value: The p-value of all components together.
        made: What the simulated data are called.
    """

    components: tuple[str, ...]
    simulated: Array
    observed: Array
    p_value: float
    made: str

    @property
    def below(self) -> Array:
        """The share of simulated data below the observation, with shape (L,)."""
        return np.asarray((self.simulated < self.observed).mean(0))


def compare(
    names: tuple[str, ...], simulated: Array, observed: Array, made: str = "simulations"
) -> Predictive | str:
    """Simulated data (M, L), made by what is named, beside an observation (L,)."""
    rows = np.concatenate([observed[None], simulated[np.isfinite(simulated).all(1)]])
    rows = np.asarray(rows, np.float64)
    varies = rows.std(0) > 0
    if len(rows) < FEWEST or not varies.any():
        return "what could be simulated does not vary, or is too little"
    kept = tuple(name for name, one in zip(names, varies, strict=True) if one)
    others = rows[1:, varies]
    z = (rows[:, varies] - others.mean(0)) / np.where(others.std(0) > 0, others.std(0), 1.0)
    far = _distances(z)
    return Predictive(
        components=kept[:SHOWN],
        simulated=z[1:, :SHOWN],
        observed=z[0, :SHOWN],
        p_value=float((far >= far[0]).mean()),
        made=made,
    )


def _distances(rows: Array) -> Array:
    """Squared distances of rows (M, L) from their mean, with shape (M,)."""
    z = (rows - rows.mean(0)) / rows.std(0)
    if 4 * z.shape[1] > len(z):
        return np.asarray((z**2).sum(1))
    correlation = z.T @ z / len(z) + RIDGE * np.eye(z.shape[1])
    return np.asarray(np.einsum("mi,mi->m", z, np.linalg.solve(correlation, z.T).T))


__all__ = ["Predictive", "compare"]
