"""Sets of independent observations of the linear Gaussian problem: how near the combined posterior
is to the exact one, and what its regions hold.

    python benchmarks/combined.py [--sets 100] [--size 10] [--rows 4000] [--effort quick]

NLE and NPE learn one observation; k of them are combined (`studies.combining`), and the result is
set beside the exact posterior of k observations, known in closed form: KL(exact || combined) in
nats for each set, and the share of true parameters in 68 % and 95 % regions of highest density.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import sbipipe
from sbipipe.interfaces import Array
from sbipipe.simulators.linear_gaussian import LinearGaussian
from sbipipe.studies.study import Study

KL_DRAWS = 500
KINDS = ("nle", "npe")


def main() -> None:
    options = _options()
    simulator, rng = LinearGaussian(), np.random.default_rng(options.seed)
    theta = simulator.prior.sample(options.rows, rng)
    entries = {kind: {"kind": kind, "config": _config(options)} for kind in KINDS}
    start = time.process_time()
    x = simulator.simulate(theta, rng)
    one = sbipipe.fit(theta, x, simulator.prior, entries, draw={"draws": 100})
    print(
        f"learned from {options.rows} rows in {time.process_time() - start:.0f} s of processor time"
    )
    print(one)
    start = time.process_time()
    study = sbipipe.combine(
        one, options.size, simulator.simulate, tests=options.tests, draw={"draws": 100}
    )
    print(f"{options.tests} test sets in {time.process_time() - start:.0f} s: {study}")
    truth = simulator.prior.sample(options.sets, rng)
    sets = simulator.simulate(np.repeat(truth, options.size, 0), rng)
    sets = sets.reshape(options.sets, options.size, -1)
    for kind in KINDS:
        print(kind, _words(study, kind, simulator, truth, sets, rng))


def exact(simulator: LinearGaussian, sets: Array) -> tuple[Array, Array]:
    """Mean (B, D) and covariance (D, D) of the exact posterior of sets (B, k, L)."""
    A, noise = simulator.design, simulator.noise
    precision = sets.shape[1] * A.T @ A / noise**2
    covariance = np.linalg.inv(precision + np.eye(simulator.dimension) / simulator.prior_scale**2)
    return sets.sum(1) @ A @ covariance / noise**2, covariance


def _words(
    study: Study, kind: str, simulator: LinearGaussian, truth: Array, sets: Array, rng: Any
) -> str:
    mean, covariance = exact(simulator, sets)
    factor = np.linalg.cholesky(covariance)
    z = rng.standard_normal((KL_DRAWS, *mean.shape))
    log_exact = -0.5 * (z**2 + np.log(2 * np.pi)).sum(-1) - np.log(np.diag(factor)).sum()
    given = study.posterior(kind, uncalibrated=True).at(sets)
    kl = (log_exact - given.log_prob(mean + z @ factor.T)).mean(0)
    drawn = given.sample(1000)
    level = (drawn.log_prob > given.log_prob(truth[None])).mean(0)
    held = ", ".join(
        f"{100 * q:.0f} % regions hold {100 * (level < q).mean():.0f} %" for q in (0.68, 0.95)
    )
    error = kl.std() / np.sqrt(len(kl))
    return (
        f"KL {kl.mean():.3f} ± {error:.3f} nats (median {np.median(kl):.3f}); {held} of {len(kl)}"
    )


def _config(options: argparse.Namespace) -> dict[str, Any]:
    if options.effort == "small":
        steps = {"steps": 600, "patience": 150, "batch": 256, "learning_rate": 5e-3, "ema": 0.97}
        return {"density": "mdn", "hidden": 32, "ensemble": 1, "optimisation": steps}
    return {"effort": options.effort}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in {"sets": 100, "size": 10, "rows": 4000, "tests": 500, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--effort", default="quick", help="small, quick, standard or thorough")
    return parser.parse_args()


if __name__ == "__main__":
    main()
