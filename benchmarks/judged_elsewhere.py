"""The gate on posteriors made by sbi, as they are and narrowed.

    python benchmarks/judged_elsewhere.py [--rows 10000] [--tests 600] [--network nsf]

sbi's NPE, with its own defaults, learns an epidemic in ten counts (`problems/sir.py`) and draws for
simulations that it has not seen. `sbipipe.judge` is given the draws with sbi's densities, the draws
alone, and the draws at 0.8 of their distance from their mean, with and without densities.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import sbipipe
from contenders import CONTENDERS, Task

NARROWED = 0.8


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    task = Task(
        name="sir",
        size=options.rows,
        tests=options.tests,
        calibrate=0,
        references=Path("/dev/null"),
    )
    fitted = CONTENDERS[f"sbi_npe_{options.network}"].fit(task)
    test, prior = task.split("test"), task.problem.prior
    draws = fitted.sample(test.x, options.draws, np.random.default_rng(0))
    middle = draws.mean(0)
    narrow = middle + NARROWED * (draws - middle)

    def log_prob(theta: np.ndarray) -> np.ndarray:
        return fitted.log_prob(theta, test.x)

    def log_narrow(theta: np.ndarray) -> np.ndarray:
        volume = theta.shape[-1] * np.log(NARROWED)
        return log_prob(middle + (theta - middle) / NARROWED) - volume

    for name, drawn, density in (
        ("as they are", draws, log_prob),
        ("as they are, draws alone", draws, None),
        ("narrowed", narrow, log_narrow),
        ("narrowed, draws alone", narrow, None),
    ):
        verdict = sbipipe.judge(test.theta, drawn, density, prior=prior, x=test.x)
        print(f"{name}: {verdict.verdict}. {' '.join(verdict.reasons)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {"rows": 10_000, "tests": 600, "draws": 300}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--network", choices=("maf", "nsf", "zuko_nsf"), default="nsf")
    return parser.parse_args()


if __name__ == "__main__":
    main()
