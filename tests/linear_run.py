"""A run of the linear Gaussian simulator, made through the stages but without a cluster."""

import runpy
import sys
from pathlib import Path

import numpy as np
import yaml

from rows import rows_of
from sbipipe import paths, plugins, runtime, storage
from sbipipe.config import read_params
from sbipipe.interfaces import SPLITS
from sbipipe.seeds import stream
from sbipipe.sets import brought

ROOT = Path(__file__).parents[1]
COUNTS = {"train": 300, "valid": 60, "calibrate": 10, "test": 300}
PARAMS = {
    "seed": 3,
    "runtime": {"device": "cpu", "workers": 1},
    "simulate": {"vectors": {"kind": "linear_gaussian", "simulations": COUNTS}},
    "summarise": {"raw": {"kind": "identity", "of": "vectors"}},
    "emulate": {},
    "join": {},
    "train": {
        "exact": {"kind": "exact", "of": "vectors"},
        "again": {"kind": "exact", "of": "vectors"},
    },
    "recalibrate": {},
    "diagnose": {kind: {"kind": kind} for kind in ("sbc", "coverage", "tarp", "regions")},
    "draw": {"draws": 200},
    "gate": {"level": 0.01, "on_failure": "withhold", "width_error": 0.3},
}


def write_params(folder: Path, **changes: object) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump({**PARAMS, **changes}, sort_keys=False))


def stage(name: str, *words: str) -> None:
    """Run a stage in the working directory, as `python stages/<name>.py` would."""
    main = runpy.run_path(str(ROOT / "stages" / f"{name}.py"))["main"]
    before, sys.argv = sys.argv, [name, *words]
    try:
        runtime.main(main)
    finally:
        sys.argv = before


def simulate() -> None:
    """The set `vectors`, in the working directory."""
    params = read_params()
    simulator, path = plugins.simulator(params, "vectors"), paths.SETS / "vectors"
    for split in SPLITS:
        rng = stream(params.seed, split)
        theta = simulator.prior.sample(COUNTS[split], rng)
        x = simulator.simulate(theta, rng).astype(np.float32)
        storage.save_split(path, split, rows_of(theta, x))
    described = storage.describe(simulator.data)
    about = {**described, **brought.told(simulator.prior), "shape": x.shape[1:], "maps": 1}
    counts = {"simulations": COUNTS, "failed": dict.fromkeys(SPLITS, 0), "excluded": 0}
    failed = {"failures": {"failed": 0, "simulations": sum(COUNTS.values())}}
    storage.finish_set(path, {**about, **counts, **failed, "fingerprint": "f00d", "reasons": {}})


def run(folder: Path) -> None:
    """Everything up to the diagnoses, in the working directory."""
    write_params(folder)
    simulate()
    stage("summarise", "raw")
    for name in PARAMS["train"]:
        for step in ("train", "draw"):
            stage(step, name)
    stage("diagnose")
