"""Stage `publish`: the gate -> reports/posteriors/ or, with the reason, reports/withheld/."""

import sys
from pathlib import Path

from sbipipe import plugins, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import Samples
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors.file import PosteriorFile
from sbipipe.seeds import stream

PRIOR_DRAWS = 1000


def main() -> None:
    params = read_params()
    names = list(params.train)
    diagnoses = {name: storage.load_json(project.DIAGNOSES / f"{name}.json") for name in names}
    for name, diagnosis in diagnoses.items():
        weights = project.ESTIMATORS / f"{name}.safetensors"
        diagnosis["estimator_hash"] = storage.file_hash(weights)
        path = project.posterior_path(name, diagnosis["published"])
        posterior_file.save(path, collect(params, name, diagnosis))
    remove_others({project.posterior_path(n, d["published"]) for n, d in diagnoses.items()})
    storage.save_json(project.COVERAGE, {"estimators": diagnoses})
    if params.gate.on_failure == "fail":
        fail({name: d for name, d in diagnoses.items() if not d["published"]})


def collect(params: Params, name: str, diagnosis: dict) -> PosteriorFile:
    """An estimator's draws for the test simulations, with all that belongs to them."""
    draws = storage.load_draws(project.DRAWS / f"{name}.safetensors")
    of = params.train[name].of
    simulator = params.simulator_of(of)
    prior = plugins.simulator(params, simulator).prior
    fields = project.test_rows(params, simulator).x
    return PosteriorFile(
        parameters=draws.parameters,
        samples=Samples(
            draws=draws.draws,
            log_prob=draws.log_prob,
            effective_sample_size=draws.effective_sample_size,
        ),
        x=project.test_rows(params, of).x,
        prior=prior.sample(PRIOR_DRAWS, stream(params.seed, "prior", simulator)),
        theta=draws.theta,
        diagnosis=diagnosis,
        attributes=posterior_file.attributes(params, name, diagnosis, fields),
    )


def remove_others(written: set[Path]) -> None:
    """Files of entries that `params.yaml` no longer has, or whose verdict has changed."""
    for folder in (project.POSTERIORS, project.WITHHELD):
        folder.mkdir(parents=True, exist_ok=True)
        for path in set(folder.glob("*.nc")) - written:
            path.unlink()


def fail(withheld: dict[str, dict]) -> None:
    """End the run where the gate is told to."""
    for name, diagnosis in withheld.items():
        print(f"{name}: {diagnosis['verdict']}: {'; '.join(diagnosis['reasons'])}", file=sys.stderr)
    if withheld:
        sys.exit(1)


if __name__ == "__main__":
    runtime.main(main)
