"""Stage `ask`: what published estimators, and the study's own summaries, find in the fields of
every emulator -> data/asked/<name>.json."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.emulation import asking, emulated, readers, truth
from sbipipe.emulation.asked import Asked, Reading
from sbipipe.emulation.asking import Said
from sbipipe.emulation.at_one_theta import masses_in
from sbipipe.emulation.sampled import Masses
from sbipipe.emulation.truth import TrueAgain, Truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.evenly import evenly
from sbipipe.gate import uniformity
from sbipipe.gate.verdict import Verdicts
from sbipipe.interfaces import Dataset, Index, PosteriorDraws
from sbipipe.posteriors import drawing
from sbipipe.progress import phase, track
from sbipipe.records import InputError, dump, load
from sbipipe.seeds import stream


def main() -> None:
    params = read_params()
    storage.empty_folder(paths.ASKED)
    with runtime.parallel(params.runtime):
        for name in track(params.emulate, "asking about", "emulators"):
            storage.save_json(paths.asked_path(name), dump(ask(params, name)))


def ask(params: Params, name: str) -> Asked:
    """What is found in the fields of one emulator."""
    simulator = params.simulator_of(name)
    emulator = project.emulator(params, name)
    every = project.test_rows(params, simulator)
    chosen = evenly(len(every), params.judge.posteriors)
    test = every.rows(chosen)
    found = readers.readers(params, simulator, published())
    why = readers.obstacle(params.judge.posteriors, found, emulator.data, test.data, simulator)
    true = truth.load(paths.truth_path(simulator))
    readings = {}
    if not why:
        rng = stream(params.seed, "emulate", name, "ask")
        sorts = {"generated": replace(test, x=emulator.draw(test.theta, rng))}
        if isinstance(true, Truth) and true.again:
            sorts["control"] = again(true.again, test, simulator)
        readings = {
            estimator: read(params, name, estimator, chosen, sorts) for estimator in found.names
        }
    return Asked(
        simulator=simulator,
        fields=len(test),
        why=why,
        readings=readings,
        left_out={} if why else found.left_out,
        masses=masses(params, name, true),
    )


def published() -> dict[str, bool]:
    """Whether each estimator is, by name."""
    verdicts = load(Verdicts, storage.load_json(paths.COVERAGE), paths.COVERAGE)
    return {name: one.published for name, one in verdicts.estimators.items()}


def again(found: TrueAgain, test: Dataset, simulator: str) -> Dataset:
    """True fields of other seeds at the parameters of `test`."""
    if not np.array_equal(found.theta, test.theta):
        path = paths.truth_path(simulator)
        raise InputError(f"{path}: made of other simulations; run dvc repro")
    return replace(test, x=found.fields)


def read(
    params: Params, name: str, estimator: str, chosen: Index, sorts: Mapping[str, Dataset]
) -> Reading:
    """What an estimator finds in fields of each sort, beside its draws for the test simulations.

    Args:
        chosen: Which of the test simulations the fields are beside.
    """
    simulator = params.simulator_of(name)
    posterior = project.posterior_on(params, estimator, simulator)
    prior = plugins.prior_of(params, simulator)
    true = storage.load_draws(paths.DRAWS / f"{estimator}.safetensors")
    said = {"true": {figure: one[chosen] for figure, one in figures(params, "true", true).items()}}
    for sort, rows in sorts.items():
        by = name if sort == "generated" else simulator  # one control for all emulators
        rng = stream(params.seed, "ask", sort, by, estimator)
        with phase(f"{estimator}, {sort}"):
            drawn = drawing.draw(posterior, rows, prior, params.draw, rng)
        said[sort] = figures(params, sort, drawn)
    learned = readers.learned_from(params, estimator, name)
    return asking.reading(
        said["true"], said["generated"], said.get("control"), params.seed, learned=learned
    )


def figures(params: Params, sort: str, draws: PosteriorDraws) -> Said:
    """What draws say, of which too few count as none."""
    sampled = uniformity.fail_few(draws, params.gate.fewest_draws)
    return asking.figures(sampled, stream(params.seed, "ask", "ranks", sort))


def masses(params: Params, name: str, true: Truth | Unchecked) -> dict[str, Masses]:
    """PQMass of many fields at one theta in each summary of their simulator."""
    drawn = emulated.load(paths.emulation_path(name))
    if isinstance(true, Unchecked) or isinstance(drawn, Unchecked):
        return {}
    if true.sample is None or drawn.sample is None or drawn.data.shape != true.data.shape:
        return {}
    own = [one for one in params.summarise if params.simulator_of(one) == true.simulator]
    return {
        one: masses_in(project.summariser(params, one), true.sample, drawn.sample, params.seed)
        for one in own
    }


if __name__ == "__main__":
    runtime.main(main)
