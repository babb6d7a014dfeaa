"""Stage `join`: two sets of vectors, row beside row -> data/sets/<name>."""

from sbipipe import paths, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import SPLITS, Dataset
from sbipipe.records import InputError
from sbipipe.sets import joining


def main(name: str) -> None:
    params = read_params()
    entry = params.join[name]
    names = (entry.of, entry.beside)
    simulators = {params.simulator_of(one) for one in names}
    if len(simulators) > 1:
        raise InputError(
            f"join.{name}.beside: given {entry.beside!r}, made of another simulator than "
            f"{entry.of!r}; allowed: a set made of the same one"
        )
    joined = {
        split: joining.join(
            *((one, rows(params, one, split)) for one in names), where=f"join.{name}"
        )
        for split in SPLITS
    }
    sources = [storage.open_set(paths.SETS / one).about for one in names]
    data = joined["train"].data
    made = {
        "name": name,
        "of": list(names),
        "maps": 1,
        "parameters": sources[0]["parameters"],
        "simulations": sources[0]["simulations"],
        "fingerprint": storage.joint_hash(*(one["fingerprint"] for one in sources)),
        "shape": list(data.shape),
    }
    with storage.whole_folder(paths.SETS / name) as folder:
        for split, part in joined.items():
            storage.save_split(folder, split, part)
        storage.finish_set(folder, {**made, **storage.describe(data)})


def rows(params: Params, of: str, split: str) -> Dataset:
    """A split of a set; of `test`, the row of each simulation that is tested."""
    return project.test_rows(params, of) if split == "test" else project.rows(params, of, split)


if __name__ == "__main__":
    runtime.main(main)
