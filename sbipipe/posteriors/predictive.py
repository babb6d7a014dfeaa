"""Simulations at draws from the posterior of an observation, beside it (`predicted`)."""

from __future__ import annotations

import numpy as np

from sbipipe import paths, plugins, project, storage
from sbipipe.config import Params
from sbipipe.interfaces import Array, Generator, Vectors
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.posteriors.novelty import features
from sbipipe.posteriors.predicted import Predictive, compare
from sbipipe.protocols import Simulator
from sbipipe.seeds import stream


def predict(
    params: Params, content: PosteriorFile, observations: int, simulations: int
) -> tuple[Predictive | str, ...]:
    """The check of the first observations of a posterior file, or why there is none.

    Args:
        observations: How many are checked, at most.
        simulations: How many draws of each are simulated.
    """
    name = str(content.attributes["estimator"])
    rng = stream(params.seed, "predictive", name, str(content.attributes["observation_hash"]))
    return tuple(
        _of_one(params, params.set_of(name), x, content.samples.draws[:, b], simulations, rng)
        for b, x in enumerate(content.x[:observations])
    )


def _of_one(
    params: Params, of: str, x: Array, draws: Array, simulations: int, rng: Generator
) -> Predictive | str:
    """The check of one observation x, (L,) or (C, *space), as the set `of` holds it, from posterior
    draws (n, D)."""
    name = params.simulator_of(of)
    simulator = plugins.simulator(params, name)
    if not isinstance(simulator, Simulator):
        kind = params.simulate[name].kind
        return f"simulations of kind {kind} were made elsewhere, and cannot be made at a new theta"
    known = draws[np.isfinite(draws).all(1)]
    if not len(known):
        return "the observation could not be sampled"
    theta = known[rng.choice(len(known), min(simulations, len(known)), replace=False)]
    rows = simulator.simulate(theta, rng)[:: simulator.maps]
    simulated = project.observe(params, of, np.asarray(rows, np.float32))
    both = np.concatenate([np.asarray(x)[None], simulated])
    if both.ndim > 2:
        both = features(both)
        names = tuple(f"moment {i + 1}" for i in range(both.shape[1]))
    else:
        data = storage.open_set(paths.SETS / of).data
        names = data.components if isinstance(data, Vectors) else ()
    return compare(names, both[1:], both[0])


__all__ = ["predict"]
