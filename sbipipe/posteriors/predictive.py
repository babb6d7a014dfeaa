"""Simulations at draws from the posterior of an observation, beside it (`predicted`).

Where simulations were made elsewhere, an emulator of their fields draws in their place. What it
gets wrong then counts as strange, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sbipipe import paths, plugins, project, storage
from sbipipe.config import Params
from sbipipe.interfaces import Array, Generator, Vectors
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.posteriors.novelty import features
from sbipipe.posteriors.predicted import Predictive, compare
from sbipipe.protocols import Simulator
from sbipipe.seeds import stream

Make = Callable[[Array, Generator], Array]
"""`(theta (N, D), rng) -> ` one independent row at each."""


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
    found = _maker(params, params.simulator_of(of))
    if isinstance(found, str):
        return found
    made, make = found
    known = draws[np.isfinite(draws).all(1)]
    if not len(known):
        return "the observation could not be sampled"
    theta = known[rng.choice(len(known), min(simulations, len(known)), replace=False)]
    simulated = project.observe(params, of, np.asarray(make(theta, rng), np.float32))
    both = np.concatenate([np.asarray(x)[None], simulated])
    if both.ndim > 2:
        both = features(both)
        names = tuple(f"moment {i + 1}" for i in range(both.shape[1]))
    else:
        data = storage.open_set(paths.SETS / of).data
        names = data.components if isinstance(data, Vectors) else ()
    return compare(names, both[1:], both[0], made)


def _maker(params: Params, name: str) -> tuple[str, Make] | str:
    """What rows at new theta are called and made by, or why there is nothing that makes them."""
    simulator = plugins.simulator(params, name)
    if isinstance(simulator, Simulator):
        return "simulations", lambda theta, rng: simulator.simulate(theta, rng)[:: simulator.maps]
    shape = storage.open_set(paths.SETS / name).data.shape
    for entry in params.emulate:
        fitted = (paths.EMULATORS / f"{entry}.safetensors").exists()
        if fitted and params.simulator_of(entry) == name:
            emulator = project.emulator(params, entry)
            if emulator.data.shape == shape:
                return f"fields drawn by {entry}", emulator.draw
    kind = params.simulate[name].kind
    return (
        f"simulations of kind {kind} were made elsewhere, and cannot be made at a new theta; an "
        "emulator of whole fields (emulate:) would draw them"
    )


__all__ = ["predict"]
