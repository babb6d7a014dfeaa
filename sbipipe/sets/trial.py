"""One simulation at the middle of the prior on every worker: what a simulator gives, and how soon.

All workers run it at the same time, so that a simulator that compiles itself does so then, and not
on one worker after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from dask.distributed import Client, Future

from sbipipe.interfaces import Array
from sbipipe.protocols import Simulator


def on_every_worker(
    client: Client, work: Callable[[Simulator, Array, int], Any], simulator: Simulator, seed: int
) -> list[Future]:
    """`work(simulator, theta, seed)` on each of the scheduler's workers; where none has come yet,
    on the first that does.

    Args:
        work: Is given the middle of the prior as `theta`, with shape (1, D).
    """
    theta = simulator.prior.from_unit(np.full((1, len(simulator.prior.names)), 0.5))
    workers = client.scheduler_info(n_workers=-1)["workers"] or [None]
    return [
        client.submit(work, simulator, theta, seed, workers=worker, pure=False)
        for worker in workers
    ]
