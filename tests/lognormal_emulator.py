"""An emulator that cheats: it runs the lognormal simulator, at a wrong sigma_8 if asked to.

`assert_emulates` states what every emulator obeys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sbipipe import paths, storage
from sbipipe.interfaces import Array, Dataset, Generator, Weights
from sbipipe.protocols import Emulator
from sbipipe.seeds import stream
from sbipipe.simulators.lognormal import Lognormal

SIMULATOR = Lognormal(pixels=16)


class LognormalEmulator:
    """Satisfies `protocols.Emulator`; knows nothing of likelihoods."""

    data = SIMULATOR.data

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    @property
    def weights(self) -> Weights:
        return Weights(meta={"factor": self.factor})

    def draw(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
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
    return Dataset(data=SIMULATOR.data, theta=theta, x=x, group=np.arange(simulations))


def write_set(params: Mapping[str, Any], rows: Mapping[str, Dataset]) -> None:
    """`params.yaml` and the set `maps`, with the rows of each split, in the working directory."""
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    path = paths.SETS / "maps"
    for split, part in rows.items():
        storage.save_split(path, split, part)
    about = {
        **storage.describe(rows["train"].data),
        "parameters": ["omega_m", "sigma_8"],
        "shape": rows["train"].x.shape[1:],
        "maps": 1,
        "fingerprint": "f00d",
        "simulations": {split: len(part) for split, part in rows.items()},
        "failures": {"failed": 0, "simulations": sum(map(len, rows.values()))},
    }
    storage.finish_set(path, about)


def assert_emulates(emulator: Emulator, theta: Array) -> None:
    """The laws of `protocols.Emulator`, for theta (N, D)."""
    fields = emulator.draw(theta, np.random.default_rng(0))
    assert fields.shape == (len(theta), *emulator.data.shape)
    assert np.isfinite(fields).all()
    np.testing.assert_array_equal(fields, emulator.draw(theta, np.random.default_rng(0)))

    twice = np.repeat(theta[:1], 2, 0)
    apart = emulator.draw(twice, np.random.default_rng(1))
    assert not np.allclose(apart[0], apart[1])
    together = emulator.draw(twice, np.random.default_rng(1), same_noise=True)
    np.testing.assert_allclose(together[0], together[1], rtol=1e-4, atol=1e-4)
    other = emulator.draw(twice, np.random.default_rng(2), same_noise=True)
    assert not np.allclose(together[0], other[0])
