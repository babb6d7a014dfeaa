"""Draws and normalised densities from an unnormalised log-density and a prior: the way in.

Three ways, all vectorised over observations: an adaptive grid up to three parameters (`grid`),
Pareto-smoothed importance sampling above (`importance`), with many components where one does not
do (`mixture`), and MCMC for the observations in which that fails, too (`chains`).
"""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.protocols import Prior
from sbipipe.sampling.grid import GridPosterior
from sbipipe.sampling.importance import ImportancePosterior
from sbipipe.sampling.unnormalised import FromDensity, Unnormalised

GRID_DIMENSIONS = 3
"""Most parameters for which a grid is used."""


def condition(log_density: Unnormalised, prior: Prior, x: Array) -> FromDensity:
    """The posteriors of the observations x, with shape (B, ...)."""
    kind = GridPosterior if len(prior.names) <= GRID_DIMENSIONS else ImportancePosterior
    return kind(log_density=log_density, prior=prior, x=np.asarray(x))


__all__ = ["condition"]
