"""Stage `diagnose`: draws -> data/diagnoses/<name>.json, the verdict on every estimator."""

import shutil

import joblib

from sbipipe import paths, plugins, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.gate.controls import controls
from sbipipe.gate.judge import judge
from sbipipe.records import dump
from sbipipe.seeds import stream


def main() -> None:
    params = read_params()
    shutil.rmtree(paths.DIAGNOSES, ignore_errors=True)
    with runtime.parallel(params.runtime):
        joblib.Parallel()(joblib.delayed(diagnose)(params, name) for name in params.estimators)


def diagnose(params: Params, name: str) -> None:
    """Judge one estimator."""
    draws = storage.load_draws(paths.DRAWS / f"{name}.safetensors")
    diagnostics = {key: plugins.diagnostic(params, key) for key in params.diagnose}
    rng = stream(params.seed, "diagnose", name)
    verdict = judge(draws, diagnostics, params.gate, controls(params.draw), rng)
    storage.save_json(paths.DIAGNOSES / f"{name}.json", dump(verdict))


if __name__ == "__main__":
    runtime.main(main)
