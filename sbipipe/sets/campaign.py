"""Runs a simulator over its design, in parallel, and continues where it stopped.

Each simulation has a seed of its own, recorded beside its status, so any one of them can be run
again alone. A task simulates one chunk and writes it straight to Zarr; its simulations are marked
done afterwards. A simulation that raises is marked failed, with the reason, and its rows are
excluded and counted. Simulations of another simulator are set aside, and taken back when they fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from dask.distributed import Client, as_completed

from sbipipe import storage
from sbipipe.config import Simulate
from sbipipe.interfaces import SPLITS, Array, Dataset, Index
from sbipipe.progress import counting
from sbipipe.protocols import Prior, Reader, Simulator
from sbipipe.records import InputError, dump
from sbipipe.seeds import number, stream
from sbipipe.sets import brought, declared, failing, fingerprint, set_aside
from sbipipe.sets.shares import default_shares
from sbipipe.sets.splits import assign, counts, design
from sbipipe.sets.trial import on_every_worker


@dataclass(frozen=True)
class Task:
    """A chunk of simulations of one split."""

    path: Path
    split: str
    index: Index
    theta: Array
    seeds: Index


def run_simulations(
    simulator: Simulator,
    entry: Simulate,
    name: str,
    seed: int,
    path: Path,
    client: Client,
    aside: Path,
    tell: Callable[[str], object] = print,
) -> None:
    """Fill the set at `path` with every simulation that its entry asks for.

    Args:
        aside: The folder for simulations that the entry does not ask for now (`set_aside`).
        tell: Called with a line for everything that moves there or back.

    Raises:
        InputError: If the simulator's design does not follow its prior, or a split has no
            simulation that succeeded.
    """
    seed = number(seed, "simulate", name)
    wanted = counts(entry.simulations, f"simulate.{name}.simulations")
    designs = {split: design(simulator.prior, split, wanted[split], seed) for split in SPLITS}
    declared.require(np.concatenate([*designs.values()]), simulator.prior, f"simulate.{name}")
    made = fingerprint.of(simulator, entry.kind, entry.config, seed, simulator.prior.source)
    trials = on_every_worker(client, _simulate_one, simulator, number(seed, "shape"))
    shape = tuple(next(as_completed(trials)).result().shape[1:])
    set_aside.begin(path, aside, made, tell)
    set_aside.keep_longer(path, aside, wanted, tell)
    for split, theta in designs.items():
        seeds = np.array([number(seed, split, i) for i in range(len(theta))], np.int64)
        group = np.arange(len(theta))
        storage.create_split(path, split, theta, group, simulator.maps, shape, seeds)
    set_aside.take_back(path, aside, tell)
    reasons = dict(_run_pending(simulator, path, client))
    status = {split: storage.open_split(path, split)["status"][:] for split in SPLITS}
    lost = failing.of_campaign(path, simulator.prior, stream(seed, "failures"))
    about = {
        "name": name,
        "kind": entry.kind,
        "fingerprint": made.digest,
        **brought.told(simulator.prior),
        **storage.describe(simulator.data),
        "shape": shape,
        "maps": simulator.maps,
        "simulations": {split: int((status[split] == storage.DONE).sum()) for split in SPLITS},
        "failed": {split: int((status[split] == storage.FAILED).sum()) for split in SPLITS},
        "excluded": 0,
        "reasons": reasons,
        "failures": dump(lost),
    }
    _refuse_empty(about["simulations"], reasons, f"simulate.{name}")
    storage.finish_set(path, about)


def import_simulations(
    reader: Reader,
    entry: Simulate,
    name: str,
    seed: int,
    path: Path,
    aside: Path,
    tell: Callable[[str], object] = print,
) -> None:
    """Copy simulations made elsewhere into a set, assigned to splits by hashing.

    Rows with NaN or infinite values are excluded and counted. Simulations of a campaign that lie
    at `path` are set aside. A prior that is estimated lies in `set.json`, and so do remarks.

    Raises:
        InputError: If the files are wrong, theta does not follow the declared prior, or a split is
            empty.
    """
    seed = number(seed, "simulate", name)
    read = reader.read()
    remarks = brought.look(read, reader, f"simulate.{name}")
    keep = read.finite
    rows = read.rows(keep)
    shares = entry.simulations or default_shares(len(np.unique(rows.group)))
    chosen = assign(rows.group, shares, seed)
    _refuse_empty(_numbers(rows, chosen), {}, f"simulate.{name}")
    prior, estimated = brought.prior_of(rows, chosen, reader.prior, seed)
    lost = failing.left_out(read, keep, prior, stream(seed, "failures"))
    about = {
        "name": name,
        "kind": entry.kind,
        "fingerprint": _digest(rows, prior),
        **brought.told(prior),
        **storage.describe(rows.data),
        "shape": rows.x.shape[1:],
        "maps": 1,
        "simulations": _numbers(rows, chosen),
        "failed": dict.fromkeys(SPLITS, 0),
        "excluded": int((~keep).sum()),
        "reasons": {},
        "failures": dump(lost),
        "remarks": remarks,
        **estimated,
    }
    with storage.whole_folder(path) as folder:
        for split in SPLITS:
            storage.save_split(folder, split, rows.rows(chosen[split]))
        storage.finish_set(folder, about)
        set_aside.make_way(path, aside, None, tell)


def _digest(rows: Dataset, prior: Prior) -> str:
    """Of rows and of the prior that they stand for, which estimators are made of as well."""
    digest = hashlib.blake2b(digest_size=16)
    quantiles = np.linspace(0.1, 0.9, 9)[:, None].repeat(len(prior.names), 1)
    for array in (rows.theta, rows.x, rows.group, prior.from_unit(quantiles)):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _numbers(rows: Dataset, chosen: Mapping[str, Index]) -> dict[str, int]:
    """The simulations of each split, from its rows."""
    return {split: len(np.unique(rows.group[chosen[split]])) for split in SPLITS}


def _refuse_empty(simulations: Mapping[str, int], reasons: Mapping[str, str], where: str) -> None:
    """`calibrate` may be left empty; nothing can be done without the others."""
    empty = [s for s in SPLITS if simulations[s] == 0 and s != "calibrate"]
    if empty:
        why = "; ".join(sorted(set(reasons.values()))[:3]) or "too few simulations"
        raise InputError(f"{where}: the split {', '.join(empty)} is empty ({why})")


def _simulate_one(simulator: Simulator, theta: Array, seed: int) -> Array:
    return simulator.simulate(theta, np.random.default_rng(seed))


def _run_pending(simulator: Simulator, path: Path, client: Client) -> Iterator[tuple[str, str]]:
    """Run what is not done; yields (simulation, reason) for every simulation that failed."""
    tasks = [task for split in SPLITS for task in _pending(path, split, simulator.maps)]
    total = sum(len(task.index) for task in tasks)
    done = 0
    with counting("simulating", total, "simulations") as advance:
        advance(done, "")
        futures = {client.submit(_run_task, simulator, task, pure=False): task for task in tasks}
        for future in as_completed(futures):
            task, failed = futures[future], future.result()
            status = storage.open_split(path, task.split)["status"]
            status.oindex[task.index] = np.array(
                [storage.FAILED if i in failed else storage.DONE for i in task.index], np.uint8
            )
            done += len(task.index)
            advance(done, "")
            yield from ((f"{task.split}/{i}", reason) for i, reason in failed.items())


def _pending(path: Path, split: str, maps: int) -> Iterator[Task]:
    """The simulations that are not done, chunk by chunk."""
    group = storage.open_split(path, split)
    todo = np.flatnonzero(group["status"][:] != storage.DONE)
    theta, seeds = group["theta"][:][::maps], group["seed"][:]
    chunk = todo // storage.simulations_per_chunk(maps)
    for number_ in np.unique(chunk):
        index = todo[chunk == number_]
        yield Task(path, split, index, theta[index], seeds[index])


def _run_task(simulator: Simulator, task: Task) -> dict[int, str]:
    """Simulate a chunk and write it; returns the reasons of those that failed."""
    failed = {}
    x: zarr.Array = storage.open_split(task.path, task.split)["x"]
    rows = np.full((len(task.index), simulator.maps, *x.shape[1:]), np.nan, np.float32)
    for row, (i, theta, seed) in enumerate(zip(task.index, task.theta, task.seeds, strict=True)):
        try:
            rows[row] = _simulate_one(simulator, theta[None], int(seed))
        except (ArithmeticError, ValueError, RuntimeError) as error:
            failed[int(i)] = f"{type(error).__name__}: {error}"
            continue
        if not np.isfinite(rows[row]).all():
            failed[int(i)] = "the fields are not finite"
    whole = (task.index[:, None] * simulator.maps + np.arange(simulator.maps)).ravel()
    x.oindex[whole] = rows.reshape(-1, *x.shape[1:])
    return failed
