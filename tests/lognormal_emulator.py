"""An emulator that cheats: it runs the lognormal simulator, at a wrong sigma_8 if asked to.

`assert_emulates` states what every emulator obeys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rows import rows_of
from sbipipe import project, storage
from sbipipe.interfaces import Array, Conditioned, Dataset, Emulator, Generator, Weights
from sbipipe.seeds import stream
from sbipipe.simulators.lognormal import Lognormal

SIMULATOR = Lognormal(pixels=16)


class LognormalEmulator:
    """Satisfies `Posterior` and `Emulator`, but has no posterior."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def at(self, x: Array) -> Conditioned:
        raise NotImplementedError

    @property
    def weights(self) -> Weights:
        return Weights(meta={"factor": self.factor})

    def emulate(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
        state = rng.bit_generator.state
        rows = []
        for one in theta * [1.0, self.factor]:
            if same_noise:
                rng.bit_generator.state = state
            rows.append(SIMULATOR.simulate(one[None], rng)[0])
        return np.stack(rows)


def held_out(simulations: int = 60) -> Dataset:
    """A test split of the simulator."""
    theta = SIMULATOR.prior.sample(simulations, stream(0, "theta"))
    x = SIMULATOR.simulate(theta, stream(0, "x"))
    return replace(rows_of(theta, x), data=SIMULATOR.data)


def write_set(params: Mapping[str, Any], rows: Mapping[str, Dataset]) -> None:
    """`params.yaml` and the set `maps`, with the rows of each split, in the working directory."""
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    path = project.SETS / "maps"
    for split, part in rows.items():
        storage.save_split(path, split, part)
    shape = rows["train"].x.shape[1:]
    about = {"parameters": ["omega_m", "sigma_8"], "shape": shape, "maps": 1}
    storage.finish_set(path, {**storage.describe(rows["train"].data), **about})


def assert_emulates(emulator: object, theta: Array, shape: tuple[int, ...]) -> None:
    """The laws of `interfaces.Emulator`, for theta (N, D) and fields of shape (C, *space)."""
    assert isinstance(emulator, Emulator)
    fields = emulator.emulate(theta, np.random.default_rng(0))
    assert fields.shape == (len(theta), *shape)
    assert np.isfinite(fields).all()
    np.testing.assert_array_equal(fields, emulator.emulate(theta, np.random.default_rng(0)))

    twice = np.repeat(theta[:1], 2, 0)
    apart = emulator.emulate(twice, np.random.default_rng(1))
    assert not np.allclose(apart[0], apart[1])
    together = emulator.emulate(twice, np.random.default_rng(1), same_noise=True)
    np.testing.assert_allclose(together[0], together[1], rtol=1e-4, atol=1e-4)
    other = emulator.emulate(twice, np.random.default_rng(2), same_noise=True)
    assert not np.allclose(together[0], other[0])
