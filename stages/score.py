"""Stage `score`: a fitted emulator -> data/sets/<name>, the likelihood surface of every field."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import SPLITS, Dataset, History, Scored
from sbipipe.protocols import Scores


def main(name: str) -> None:
    start = time.perf_counter()
    params = read_params()
    source = storage.open_set(paths.SETS / params.simulator_of(name))
    made = {
        "name": name,
        "of": params.emulate[name].of,
        "maps": 1,
        "parameters": source.about["parameters"],
        "simulations": source.about["simulations"],
        "fingerprint": storage.joint_hash(
            source.about["fingerprint"],
            storage.file_hash(paths.EMULATORS / f"{name}.safetensors"),
        ),
    }
    with storage.whole_folder(paths.SETS / name) as folder:
        storage.finish_set(folder, {**made, **score(params, name, folder)})
    seconds = time.perf_counter() - start
    storage.save_history(paths.history_path("score", name), History(seconds=seconds))


def score(params: Params, name: str, folder: Path) -> dict[str, Any]:
    """Write the surfaces of every split; returns what they are, and the rows that were refused, or
    why there are none."""
    if not params.emulate[name].score:
        return {"unscored": "no split is named"}
    from sbipipe.learning.chebyshev import surface_data  # torch, which the line above spares

    emulator = project.emulator(params, name)
    if not isinstance(emulator, Scores):
        return {"unscored": f"kind {params.emulate[name].kind} cannot score fields"}
    prior = plugins.prior_of(params, params.simulator_of(name))
    data = surface_data(len(prior.names), emulator.degree)
    refused, noise = {}, {}
    for split in SPLITS:
        rows = chosen(params, name, split)
        scored = emulator.scored(rows.x)
        rows = replace(rows, data=data, x=scored.coefficients)
        refused[split] = np.flatnonzero(~np.isfinite(rows.x).all(1)).tolist()
        if refused[split]:
            print(
                f"emulate.{name}: {split}: fields that cannot be scored: {shown(refused[split])}; "
                "those that are finite have surfaces too sharp for polynomials of degree "
                f"{emulator.degree}: a higher degree, a smaller prior or `coarsen` helps"
            )
        if np.isfinite(scored.error).any():
            noise[split] = monte_carlo(scored)
        storage.save_split(folder, split, rows, error=scored.error, draws=scored.draws)
    found = {"shape": list(data.shape), "refused": refused, "monte_carlo": noise}
    return {**storage.describe(data), **found}


def monte_carlo(scored: Scored) -> dict[str, float]:
    """What the noise leaves of errors, in nats, over the fields that could be scored."""
    known = np.isfinite(scored.error)
    error = scored.error[known]
    return {
        "fields": int(known.sum()),
        "median_error": float(np.median(error)),
        "error_of_95": float(np.quantile(error, 0.95)),
        "mean_draws": float(scored.draws[known].mean()),
    }


def shown(rows: list[int]) -> str:
    """The first of these numbers, and how many they are."""
    return f"{', '.join(map(str, rows[:10]))}{', ...' * (len(rows) > 10)} ({len(rows)} in all)"


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
