"""Stage `imitate`: rows to learn from by another forward model, true rows beside them ->
data/sets/<name>."""

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import SPLITS, Dataset
from sbipipe.seeds import number
from sbipipe.sets import imitating


def main(name: str) -> None:
    params = read_params()
    entry = params.imitate[name]
    true, by = (storage.open_set(paths.SETS / one) for one in (entry.of, entry.by))
    counts = {
        split: getattr(entry, split) or true.about["simulations"][split]
        for split in imitating.LEARNED
    }
    rows = imitated(params, name, counts)
    imitating.check_alike(f"imitate.{name}", entry, true.data, rows["train"].data)
    others = {split: true.split(split) for split in SPLITS if split not in rows}
    made = {
        "name": name,
        "of": entry.of,
        "by": entry.by,
        "maps": true.about["maps"],
        "parameters": true.about["parameters"],
        "simulations": {**true.about["simulations"], **counts},
        "fingerprint": storage.joint_hash(
            true.about["fingerprint"], by.about["fingerprint"], str(counts)
        ),
        "shape": list(true.data.shape),
    }
    with storage.whole_folder(paths.SETS / name) as folder:
        for split, part in rows.items():
            maps = 1 if params.emulates(entry.by) else by.about["maps"]
            storage.save_split(folder, split, part, maps)
        for split, part in others.items():
            storage.save_split(folder, split, part, true.about["maps"])
        storage.finish_set(folder, {**made, **storage.describe(true.data)})


def imitated(params: Params, name: str, counts: dict[str, int]) -> dict[str, Dataset]:
    """The rows to learn from."""
    entry, where = params.imitate[name], f"imitate.{name}"
    prior = plugins.prior_of(params, entry.of)
    if params.emulates(entry.by):
        seed = number(params.seed, "imitate", name)
        return imitating.drawn(project.emulator(params, entry.by), prior, counts, seed)
    imitating.check_same_prior(where, entry, prior, plugins.prior_of(params, entry.by))
    rows = {split: project.rows(params, entry.by, split) for split in imitating.LEARNED}
    return imitating.borrowed(rows, counts, where)


if __name__ == "__main__":
    runtime.main(main)
