"""Stage `score`: a fitted emulator -> data/sets/<name>, the likelihood surface of every field."""

import shutil
import time
from dataclasses import replace

import numpy as np

from sbipipe import project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import SPLITS, Dataset, History, Scores
from sbipipe.learning.chebyshev import surface_data


def main(name: str) -> None:
    start = time.perf_counter()
    params = read_params()
    emulator = project.emulator(params, name)
    source = storage.open_set(project.SETS / params.simulator_of(name))
    made = {
        "name": name,
        "of": params.emulate[name].of,
        "maps": 1,
        "parameters": source.about["parameters"],
        "simulations": source.about["simulations"],
        "fingerprint": storage.joint_hash(
            source.about["fingerprint"],
            storage.file_hash(project.EMULATORS / f"{name}.safetensors"),
        ),
    }
    path = project.SETS / name
    shutil.rmtree(path, ignore_errors=True)
    if isinstance(emulator, Scores):
        data = surface_data(len(source.about["parameters"]), emulator.degree)
        refused = {}
        for split in SPLITS:
            rows = chosen(params, name, split)
            rows = replace(rows, data=data, x=emulator.surfaces(rows.x))
            refused[split] = np.flatnonzero(~np.isfinite(rows.x).all(1)).tolist()
            storage.save_split(path, split, rows)
        about = {**storage.describe(data), "shape": list(data.shape), "refused": refused}
    else:
        about = {"unscored": f"kind {params.emulate[name].kind} cannot score fields"}
    storage.finish_set(path, {**made, **about})
    seconds = time.perf_counter() - start
    storage.save_history(project.history_path("score", name), History(seconds=seconds))


def chosen(params: Params, name: str, split: str) -> Dataset:
    """The fields of a split that are to be scored: all, one of each test simulation, or none."""
    simulator = params.simulator_of(name)
    if split not in params.emulate[name].score:
        return project.rows(params, simulator, split).rows(slice(0))
    if split == "test":
        return project.test_rows(params, simulator)
    return project.rows(params, simulator, split)


if __name__ == "__main__":
    runtime.main(main)
