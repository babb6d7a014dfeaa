"""Stage `diagnose`: draws -> data/diagnoses/<name>.json, the verdict on every estimator."""

import joblib

from sbipipe import paths, plugins, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.gate import looks
from sbipipe.gate.controls import controls
from sbipipe.gate.judge import judge
from sbipipe.gate.looks import Look
from sbipipe.gate.verdict import Looks
from sbipipe.interfaces import PosteriorDraws
from sbipipe.progress import track
from sbipipe.records import dump, load
from sbipipe.seeds import stream
from sbipipe.sets.failures import Failures


def main() -> None:
    params = read_params()
    storage.empty_folder(paths.DIAGNOSES)
    looking = looked(params)
    seen = looks.add(paths.LOOKS, looking)
    with runtime.parallel(params.runtime):
        jobs = (joblib.delayed(diagnose)(params, n, seen[n]) for n in params.estimators)
        judged = joblib.Parallel(return_as="generator_unordered")(jobs)
        rejected = dict(track(judged, "judging", "estimators", total=len(params.estimators)))
    looks.settle(paths.LOOKS, looking, rejected)


def looked(params: Params) -> list[Look]:
    """The judgements of this time."""
    settings = dump([params.draw, params.diagnose, params.gate])
    level = params.gate.level
    return [looks.entry(name, drawn(name), settings, level) for name in params.estimators]


def diagnose(params: Params, name: str, seen: Looks) -> tuple[str, bool]:
    """Judge one estimator; its name, and whether some test rejects it."""
    diagnostics = {key: plugins.diagnostic(params, key) for key in params.diagnose}
    verdict = judge(
        drawn(name),
        diagnostics,
        params.gate,
        controls(params.draw),
        stream(params.seed, "diagnose", name),
        failures=failures(params, name),
        looks=seen,
    )
    storage.save_json(paths.DIAGNOSES / f"{name}.json", dump(verdict))
    return name, bool(verdict.cause)


def drawn(name: str) -> PosteriorDraws:
    return storage.load_draws(paths.DRAWS / f"{name}.safetensors")


def failures(params: Params, name: str) -> Failures:
    """The simulations that failed, of the simulator behind an estimator."""
    path = paths.SETS / params.simulator_of(params.set_of(name))
    return load(Failures, storage.open_set(path).about["failures"], path / "set.json")


if __name__ == "__main__":
    runtime.main(main)
