"""Draws and normalised densities from an unnormalised log-density and a prior: the way in.

Three ways, all vectorised over observations: an adaptive grid up to three parameters (`grid`),
Pareto-smoothed importance sampling above (`importance`), with many components where one does not
do (`mixture`), and MCMC for the observations in which that fails, too (`chains`). Where a density
near the posterior is known, and not draws alone, these are weighed with few parameters as well, and
a grid is for where they do not do.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.protocols import Prior
from sbipipe.sampling.grid import GridPosterior
from sbipipe.sampling.importance import ImportancePosterior
from sbipipe.sampling.near import Near, Proposal
from sbipipe.sampling.unnormalised import FromDensity, Unnormalised

GRID_DIMENSIONS = 3
"""Most parameters for which a grid is used."""


def condition(
    log_density: Unnormalised,
    prior: Prior,
    x: Array,
    near: Near | None = None,
    proposal: Proposal | None = None,
) -> FromDensity:
    """The posteriors of the observations x, with shape (B, ...).

    Args:
        near: What draws from densities near the posteriors, which saves searching for them.
        proposal: Such densities that are known, whose draws may be weighed.
    """
    few = len(prior.names) <= GRID_DIMENSIONS
    on_grids = partial(GridPosterior, log_density=log_density, prior=prior, near=near)
    if few and not proposal:
        return on_grids(x=np.asarray(x))
    return ImportancePosterior(
        log_density=log_density,
        prior=prior,
        x=np.asarray(x),
        near=near,
        proposal=proposal,
        otherwise=on_grids if few else None,
    )


__all__ = ["condition"]
