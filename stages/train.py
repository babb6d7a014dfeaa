"""Stage `train`: an entry of `train:` -> data/estimators/<name>."""

from dataclasses import replace

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import Dataset
from sbipipe.learning import processes
from sbipipe.records import InputError
from sbipipe.seeds import number


def main(name: str) -> None:
    params = read_params()
    of = params.train[name].of
    train, valid = (project.rows(params, of, split) for split in ("train", "valid"))
    estimator = plugins.estimator(params, name)
    left_out = 0
    if estimator.learns:
        require(params, name, train, valid)
        left_out = sum(int((~rows.finite).sum()) for rows in (train, valid))
        train, valid = (rows.rows(rows.finite) for rows in (train, valid))
    seed = number(params.seed, "train", name)
    run = runtime.fit_run(seed, params.runtime, paths.CHECKPOINTS / name)
    posterior, history = estimator.fit(train, valid, plugins.prior_of(params, of), run)
    if not processes.first():
        return
    if left_out:
        history = replace(history, notes={**history.notes, "rows_left_out": left_out})
    path = paths.weights_path(name)
    storage.save_weights(path, project.stamped(posterior.weights, params, name))
    storage.save_json(paths.stamp_path(name), {"weights": storage.file_hash(path)})
    storage.save_history(paths.history_path("train", name), history)


def require(params: Params, name: str, train: Dataset, valid: Dataset) -> None:
    """Raise InputError where a set was made without the rows to learn from."""
    of = params.train[name].of
    for split, rows in (("train", train), ("valid", valid)):
        if not len(rows):
            raise InputError(
                f"train.{name}.of: given {of!r}, whose split {split} is empty; allowed for kind "
                f"{params.train[name].kind}: a set with rows to learn from (emulate.<name>.score)"
            )


if __name__ == "__main__":
    runtime.main(main)
