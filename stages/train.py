"""Stage `train`: an entry of `train:` -> data/estimators/<name>."""

from dataclasses import replace

from sbipipe import plugins, project, runtime, storage
from sbipipe.config import read_params
from sbipipe.interfaces import Recalibrates
from sbipipe.learning import processes
from sbipipe.seeds import number


def main(name: str) -> None:
    params = read_params()
    of = params.train[name].of
    train, valid = (project.rows(params, of, split) for split in ("train", "valid"))
    prior = plugins.simulator(params, params.simulator_of(of)).prior
    seed = number(params.seed, "train", name)
    run = runtime.fit_run(seed, params.runtime, project.CHECKPOINTS / name)
    estimator = plugins.estimator(params, name)
    mends = isinstance(estimator, Recalibrates) and estimator.temper
    calibrate = project.calibrate_rows(params, name) if mends else None
    posterior, history = estimator.fit(train, valid, prior, run)
    if not processes.first():
        return
    if isinstance(estimator, Recalibrates) and calibrate is not None:
        posterior, notes = estimator.recalibrate(posterior, calibrate)
        history = replace(history, notes={**history.notes, **notes})

    path = project.ESTIMATORS / f"{name}.safetensors"
    storage.save_weights(path, posterior.weights)
    storage.save_history(project.history_path("train", name), history)


if __name__ == "__main__":
    runtime.main(main)
