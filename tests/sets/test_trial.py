"""Every worker simulates at the middle of the prior."""

import numpy as np

from sbipipe import plugins, runtime
from sbipipe.config import Runtime
from sbipipe.interfaces import Array
from sbipipe.protocols import Simulator
from sbipipe.sets.trial import on_every_worker


def where(simulator: Simulator, theta: Array, seed: int) -> tuple[int, Array, int]:
    import os

    return os.getpid(), theta, seed


def test_every_worker_is_asked_once() -> None:
    simulator: Simulator = plugins.make("simulate", "linear_gaussian", {}, "simulate.toy")
    with runtime.workers(Runtime(workers=2)) as client:
        found = client.gather(on_every_worker(client, where, simulator, seed=7))
    assert len({process for process, _, _ in found}) == len(found) == 2
    middle = simulator.prior.from_unit(np.full((1, len(simulator.prior.names)), 0.5))
    assert all(np.array_equal(theta, middle) and seed == 7 for _, theta, seed in found)
