"""Stage `summarise`: an entry of `summarise:` -> data/sets/<name>, and the fitted summary."""

import time
from dataclasses import replace

import numpy as np

from sbipipe import paths, plugins, runtime, storage
from sbipipe.config import read_params
from sbipipe.interfaces import SPLITS, Dataset, Vectors
from sbipipe.learning import processes
from sbipipe.records import InputError
from sbipipe.seeds import number


def main(name: str) -> None:
    start = time.perf_counter()
    params = read_params()
    source = storage.open_set(paths.SETS / params.summarise[name].of)
    seed = number(params.seed, "summarise", name)
    run = runtime.fit_run(seed, params.runtime, paths.CHECKPOINTS / name)
    splits = {split: source.split(split) for split in SPLITS}
    with runtime.parallel(params.runtime):
        summary = plugins.summary(params, name)
        summariser, history = summary.fit(splits["train"], splits["valid"], run)
        if not processes.first():
            return
        data = Vectors(components=tuple(summariser.names))
        vectors = {s: replace(rows, data=data, x=summariser(rows.x)) for s, rows in splits.items()}
    refuse_broken(name, vectors)

    made = {
        "name": name,
        "of": params.summarise[name].of,
        "shape": [len(summariser.names)],
        "maps": 1,
    }
    of_fields = storage.describe(source.data)
    about = {key: value for key, value in source.about.items() if key not in of_fields}
    with storage.whole_folder(paths.SETS / name) as folder:
        for split, rows in vectors.items():
            storage.save_split(folder, split, rows)
        storage.save_weights(folder / "summary.safetensors", summariser.weights)
        weights = storage.file_hash(folder / "summary.safetensors")
        own = {"fingerprint": storage.joint_hash(source.about["fingerprint"], weights)}
        storage.finish_set(folder, {**about, **storage.describe(data), **made, **own})
    history = replace(history, seconds=time.perf_counter() - start)
    storage.save_history(paths.history_path("summarise", name), history)


def refuse_broken(name: str, vectors: dict[str, Dataset]) -> None:
    """Raise InputError where a summary is not finite."""
    broken = {s: int((~np.isfinite(rows.x)).any(1).sum()) for s, rows in vectors.items()}
    if any(broken.values()):
        where = ", ".join(f"{count} of {s}" for s, count in broken.items() if count)
        raise InputError(f"summarise.{name}: vectors that are not finite: {where}")


if __name__ == "__main__":
    runtime.main(main)
