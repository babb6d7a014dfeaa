"""Stage `publish`: the gate -> reports/posteriors/ or, with the reason, reports/withheld/."""

import sys
from dataclasses import replace
from pathlib import Path

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.gate.verdict import Verdict, Verdicts
from sbipipe.interfaces import Samples
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.records import dump, load
from sbipipe.results.advice import Known, advice, remarks
from sbipipe.seeds import stream

PRIOR_DRAWS = 1000


def main() -> None:
    params = read_params()
    judged = {name: verdict_on(name) for name in params.estimators}
    known = Known(params, judged)
    verdicts = {
        name: replace(one, advice=advice(known, name), remarks=remarks(known, name))
        for name, one in judged.items()
    }
    files = {n: paths.posterior_path(n, v.published) for n, v in verdicts.items()}
    for name, verdict in verdicts.items():
        posterior_file.save(files[name], collect(params, name, verdict))
    remove_others(set(files.values()))
    storage.save_json(paths.COVERAGE, dump(Verdicts(estimators=verdicts)))
    for name, verdict in verdicts.items():
        print("\n".join(posterior_file.summary(name, verdict)))
    if params.gate.on_failure == "fail":
        fail({name: v for name, v in verdicts.items() if not v.published})


def verdict_on(name: str) -> Verdict:
    """The verdict on an estimator, with the hash of its weights."""
    path = paths.DIAGNOSES / f"{name}.json"
    weights = paths.ESTIMATORS / f"{name}.safetensors"
    verdict = load(Verdict, storage.load_json(path), path)
    return replace(verdict, estimator_hash=storage.file_hash(weights))


def collect(params: Params, name: str, verdict: Verdict) -> PosteriorFile:
    """An estimator's draws for the test simulations, with all that belongs to them."""
    draws = storage.load_draws(paths.DRAWS / f"{name}.safetensors")
    of = params.set_of(name)
    simulator = params.simulator_of(of)
    prior = plugins.prior_of(params, simulator)
    fields = project.test_rows(params, simulator).x
    return PosteriorFile(
        parameters=draws.parameters,
        samples=Samples(
            draws=draws.draws,
            log_prob=draws.log_prob,
            effective_sample_size=draws.effective_sample_size,
            figures=draws.figures,
        ),
        x=project.test_rows(params, of).x,
        prior=prior.sample(PRIOR_DRAWS, stream(params.seed, "prior", simulator)),
        nuisance=prior.nuisance,
        fixed=prior.fixed,
        theta=draws.theta,
        diagnosis=verdict,
        attributes=posterior_file.attributes(params, name, verdict, fields),
    )


def remove_others(written: set[Path]) -> None:
    """Files of entries that `params.yaml` no longer has, or whose verdict has changed."""
    for folder in (paths.POSTERIORS, paths.WITHHELD):
        folder.mkdir(parents=True, exist_ok=True)
        for path in set(folder.glob("*.nc")) - written:
            path.unlink()


def fail(withheld: dict[str, Verdict]) -> None:
    """End the run where the gate is told to."""
    for name, verdict in withheld.items():
        print(f"{name}: {verdict.verdict}: {'; '.join(verdict.reasons)}", file=sys.stderr)
    if withheld:
        sys.exit(1)


if __name__ == "__main__":
    runtime.main(main)
