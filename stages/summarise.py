"""Stage `summarise`: an entry of `summarise:` -> data/sets/<name>, and the fitted summary."""

import time
from dataclasses import replace

from sbipipe import plugins, project, runtime, storage
from sbipipe.config import read_params
from sbipipe.interfaces import SPLITS
from sbipipe.learning import processes
from sbipipe.seeds import number


def main(name: str) -> None:
    start = time.perf_counter()
    params = read_params()
    source = storage.open_set(project.SETS / params.summarise[name].of)
    seed = number(params.seed, "summarise", name)
    run = runtime.fit_run(seed, params.runtime, project.CHECKPOINTS / name)
    splits = {split: source.split(split) for split in SPLITS}
    with runtime.parallel(params.runtime):
        summary = plugins.summary(params, name)
        summariser, history = summary.fit(splits["train"], splits["valid"], run)
        if not processes.first():
            return
        vectors = {s: replace(rows, x=summariser(rows.x)) for s, rows in splits.items()}

    made = {
        "name": name,
        "of": params.summarise[name].of,
        "shape": [len(summariser.names)],
        "maps": 1,
        "components": summariser.names,
    }
    with storage.whole_folder(project.SETS / name) as folder:
        for split, rows in vectors.items():
            storage.save_split(folder, split, rows)
        storage.save_weights(folder / "summary.safetensors", summariser.weights)
        storage.finish_set(folder, {**source.about, **made})
    history = replace(history, seconds=time.perf_counter() - start)
    storage.save_history(project.history_path("summarise", name), history)


if __name__ == "__main__":
    runtime.main(main)
