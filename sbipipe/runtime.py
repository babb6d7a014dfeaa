"""The machine a stage runs on: its device, its processes, and how a stage ends.

Nothing here changes a result. Every stage imports this module, so what few of them need is imported
where it is used.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

from sbipipe import telling
from sbipipe.config import Runtime
from sbipipe.interfaces import Run
from sbipipe.records import InputError

if TYPE_CHECKING:
    from dask.distributed import Client

WORKER = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "PYTHONWARNINGS": "ignore:pkg_resources is deprecated:UserWarning",
}
"""Environment of a worker: parallelism is over simulations, and the memory of one is kept for the
next (Dask's default hands it back each time, which costs a third of the time of a small box)."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Also of a worker; joblib sets these itself, and a stage that trains may not have them."""

STAGE = "DVC_STAGE"
"""The variable in which DVC names the stage it runs: `draw@npe`, or `path/dvc.yaml:draw@npe`."""

PATIENCE = "20s"
"""How long a scheduler may take to answer."""


def device(runtime: Runtime) -> str:
    """The device to compute on; raises InputError where a GPU is asked for and none is there."""
    import torch

    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise InputError("runtime.device: given cuda; allowed here: auto, cpu (no GPU is visible)")
    if runtime.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return runtime.device


@contextmanager
def workers(runtime: Runtime) -> Iterator[Client]:
    """A Dask client of local processes, or of the scheduler that `runtime` names.

    Local processes know each other by certificates made for this run: whoever else is on the
    machine cannot have them run anything.
    """
    from dask.distributed import Client, LocalCluster

    if runtime.scheduler:
        try:
            client = Client(runtime.scheduler, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise InputError(
                f"runtime.scheduler: given {runtime.scheduler!r}; no scheduler answers ({error})"
            ) from error
        with client:
            yield client
        return
    os.environ.update(WORKER | ONE_THREAD)  # inherited by a worker, and read when it starts
    with (
        LocalCluster(
            n_workers=runtime.workers,
            threads_per_worker=1,
            dashboard_address=None,
            security=True,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def parallel(runtime: Runtime) -> Iterator[None]:
    """Inside, every `joblib.Parallel()` uses the workers of `runtime`."""
    import joblib

    os.environ.update(WORKER)
    with joblib.parallel_config("loky", n_jobs=runtime.workers, inner_max_num_threads=1):
        yield


def fit_run(seed: int, runtime: Runtime, checkpoint: Path) -> Run:
    """What a fit may know of this run."""
    return Run(
        seed=seed,
        device=device(runtime),
        devices=runtime.devices,
        checkpoint=checkpoint,
    )


def main(stage: Callable[..., None]) -> None:
    """Call a stage; bad input ends it with its lines and code 2.

    A stage of one entry is told its name by the command line or, where that says nothing, by DVC:
    no name then passes through a shell, to which it might mean more than a name.
    """
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
    gc.freeze()  # the modules of the stage
    try:
        words = _words(stage)
        with telling.stage("@".join([Path(sys.argv[0]).stem, *words])):
            stage(*words)
    except InputError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    finally:
        gc.freeze()  # the process ends: its modules need not be looked through once more


def _words(stage: Callable[..., None]) -> list[str]:
    """The name of the entry, for a stage that takes one.

    Raises:
        InputError: If there are more words, or fewer.
    """
    wanted, words = len(signature(stage).parameters), sys.argv[1:]
    if wanted and not words:
        _, at, name = os.environ.get(STAGE, "").rpartition("@")
        words = [name] if at else []
    if len(words) != wanted:
        given = " ".join(words) or "nothing"
        allowed = "the name of one entry" if wanted else "no words"
        raise InputError(f"{sys.argv[0]}: given {given}; allowed: {allowed}")
    return words
