"""Rows of the right shape for every set, before any is made.

Simulations made elsewhere are there. A simulator's rows are noise of its shape, with parameters
from its prior: a step of a network takes as long on these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sbipipe import plugins
from sbipipe.config import Params
from sbipipe.costs.rows import Rows
from sbipipe.interfaces import SPLITS, Dataset, Fields, Vectors
from sbipipe.protocols import HasLikelihood, Simulator, UnknownPrior
from sbipipe.seeds import number, stream
from sbipipe.sets.shares import default_shares
from sbipipe.sets.splits import assign, counts

ENOUGH = 8_192
"""The rows of a simulator that are made, at most."""

VALUES = 2**26
"""The values that these have, at most."""


def of_simulator(params: Params, name: str, brought: Mapping[str, Dataset]) -> Rows:
    """The rows of an entry of `simulate:`.

    Args:
        brought: Simulations made elsewhere, by the name of their entry.
    """
    simulator = plugins.simulator(params, name)
    if isinstance(simulator, Simulator):
        return _simulated(params, name, simulator)
    read = brought[name]
    found = read.rows(read.finite)
    shares = params.simulate[name].simulations or default_shares(len(np.unique(found.group)))
    chosen = assign(found.group, shares, number(params.seed, "simulate", name))
    groups, first, own = np.unique(found.group, return_index=True, return_inverse=True)
    order = stream(0, "trial", name).permutation(len(groups))
    declared = simulator.prior
    if isinstance(declared, UnknownPrior):
        theta = found.theta[first[order]]
        declared = declared.fit(theta[:500], theta[500:1000], 0)
    return Rows(
        some=found.rows(np.argsort(np.argsort(order)[own], kind="stable")[: _enough(found.data)]),
        number={split: len(chosen[split]) for split in SPLITS},
        simulations={split: len(np.unique(found.group[chosen[split]])) for split in SPLITS},
        prior=declared,
    )


def _simulated(params: Params, name: str, simulator: Simulator) -> Rows:
    wanted = counts(params.simulate[name].simulations, f"simulate.{name}.simulations")
    rng, maps = stream(0, "trial", name), simulator.maps
    count = max(1, min(_enough(simulator.data) // maps, sum(wanted.values())))
    group, rows = np.repeat(np.arange(count), maps), count * maps
    known = simulator.log_likelihood if isinstance(simulator, HasLikelihood) else None
    some = Dataset(
        data=simulator.data,
        theta=simulator.prior.sample(count, rng)[group],
        x=rng.standard_normal((rows, *simulator.data.shape), np.float32),
        group=group,
        log_likelihood=known,
    )
    number = {split: wanted[split] * simulator.maps for split in SPLITS}
    return Rows(some=some, number=number, simulations=wanted, prior=simulator.prior)


def _enough(data: Fields | Vectors) -> int:
    """How many rows of these are enough."""
    return min(ENOUGH, max(1, VALUES // int(np.prod(data.shape))))


def beside(one: Rows, other: Rows) -> Rows:
    """The rows of a set that joins two."""
    few = min(len(one.some), len(other.some))
    x = np.concatenate([rows.some.x[:few].reshape(few, -1) for rows in (one, other)], 1)
    data = Vectors(components=tuple(f"x{i}" for i in range(x.shape[1])))
    return replace(one, some=replace(one.some.rows(slice(few)), data=data, x=x))


__all__ = ["beside", "of_simulator"]
