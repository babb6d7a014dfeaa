"""Stage `emulate`: an entry of `emulate:` -> data/emulators/<name>."""

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import Dataset, History, Run
from sbipipe.learning import processes
from sbipipe.protocols import Emulator, GoesOn
from sbipipe.records import InputError
from sbipipe.seeds import number


def main(name: str) -> None:
    params = read_params()
    simulator = params.simulator_of(name)
    train, valid = (project.rows(params, simulator, split) for split in ("train", "valid"))
    seed = number(params.seed, "emulate", name)
    run = runtime.fit_run(seed, params.runtime, paths.CHECKPOINTS / name)
    emulator, history = fit(params, name, train, valid, run)
    if not processes.first():
        return
    storage.save_weights(paths.EMULATORS / f"{name}.safetensors", emulator.weights)
    storage.save_history(paths.history_path("emulate", name), history)


def fit(
    params: Params, name: str, train: Dataset, valid: Dataset, run: Run
) -> tuple[Emulator, History]:
    """The emulator, begun from the one it is `of` where that is an emulator."""
    kind, of = plugins.emulator(params, name), params.emulate[name].of
    prior = plugins.prior_of(params, params.simulator_of(name))
    try:
        if of not in params.emulate:
            return kind.fit(train, valid, prior, run)
        if not isinstance(kind, GoesOn):
            raise InputError(
                f"of: given {of!r}, an emulator; allowed for kind {params.emulate[name].kind}: "
                "a simulator"
            )
        return kind.go_on(project.emulator(params, of), train, valid, prior, run)
    except InputError as error:
        raise InputError(*(f"emulate.{name}.{problem}" for problem in error.problems)) from error


if __name__ == "__main__":
    runtime.main(main)
