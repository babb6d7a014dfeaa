"""Sets of independent observations: how near the combined posterior is to the exact one, and what
its regions hold.

    python benchmarks/combined.py [--problem two_moons] [--sets 100] [--size 10] [--rows 10000]

NLE and NPE learn one observation; k of them are combined (`studies.combining`), and the result is
set beside the exact posterior of k observations, which is known in closed form (`linear_gaussian`)
or on a fine grid (`two_moons`): KL(exact || combined) in nats for each set, and the share of true
parameters in 68 % and 95 % regions of highest density.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

import sbipipe
from problems.grid import grid_posterior
from problems.two_moons import TwoMoons
from sbipipe.interfaces import Array, Generator
from sbipipe.simulators.linear_gaussian import LinearGaussian
from sbipipe.studies.study import Study

KL_DRAWS = 500
KINDS = ("nle", "npe")
SIDES = (200, 400, 1000)
"""Points along each axis of the grids on which ten crescents meet."""

Exact = Callable[[Array, Generator], tuple[Array, Array]]
"""Exact draws (n, D) for one set (k, L), and their log densities (n,)."""


def main() -> None:
    options = _options()
    problem, exact = PROBLEMS[options.problem]
    rng = np.random.default_rng(options.seed)
    one = _learned(problem, options, rng)
    start = time.process_time()
    study = sbipipe.combine(
        one, options.size, problem.simulate, tests=options.tests, draw={"draws": options.draws}
    )
    print(f"{options.tests} test sets in {time.process_time() - start:.0f} s:\n{study}", flush=True)
    truth = problem.prior.sample(options.sets, rng)
    sets = problem.simulate(np.repeat(truth, options.size, 0), rng)
    sets = sets.reshape(options.sets, options.size, -1)
    known = [exact(one_set, rng) for one_set in sets]
    draws, log_exact = (np.stack(part, 1) for part in zip(*known, strict=True))
    for kind in KINDS:
        print(kind, _words(study, kind, truth, sets, draws, log_exact), flush=True)


def _learned(problem: Any, options: argparse.Namespace, rng: Generator) -> Study:
    """The study of one observation."""
    theta = problem.prior.sample(options.rows, rng)
    x = problem.simulate(theta, rng)
    entries = {kind: {"kind": kind, "config": _config(options)} for kind in KINDS}
    start = time.process_time()
    study = sbipipe.fit(theta, x, problem.prior, entries, draw={"draws": options.draws})
    seconds = time.process_time() - start
    print(f"learned from {options.rows} rows in {seconds:.0f} s of the processor:\n{study}")
    return study


def _gaussian(x: Array, rng: Generator) -> tuple[Array, Array]:
    """The conjugate normal of a set."""
    simulator = LinearGaussian()
    A, noise = simulator.design, simulator.noise
    prior = np.eye(simulator.dimension) / simulator.prior_scale**2
    covariance = np.linalg.inv(len(x) * A.T @ A / noise**2 + prior)
    normal = stats.multivariate_normal(x.sum(0) @ A @ covariance / noise**2, covariance)
    draws = normal.rvs(KL_DRAWS, random_state=rng)
    return draws, normal.logpdf(draws)


def _crescents(x: Array, rng: Generator) -> tuple[Array, Array]:
    """Where all crescents of a set meet, twice."""
    problem = TwoMoons()
    with np.errstate(divide="ignore"):
        known = grid_posterior(
            problem.prior,
            lambda theta: sum(problem.log_likelihood(theta, one) for one in x),
            SIDES,
        )
        draws = known.sample(2 * KL_DRAWS, rng)
        log_prob = known.log_prob(draws)
    inside = np.isfinite(log_prob)  # not all of a cell at the edge of a crescent is
    return draws[inside][:KL_DRAWS], log_prob[inside][:KL_DRAWS]


PROBLEMS: dict[str, tuple[Any, Exact]] = {
    "linear_gaussian": (LinearGaussian(), _gaussian),
    "two_moons": (TwoMoons(), _crescents),
}


def _words(
    study: Study, kind: str, truth: Array, sets: Array, draws: Array, log_exact: Array
) -> str:
    given = study.posterior(kind, uncalibrated=True).at(sets)
    kl = (log_exact - given.log_prob(draws)).mean(0)
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", choices=PROBLEMS, default="linear_gaussian")
    numbers = {"sets": 100, "size": 10, "rows": 10_000, "tests": 500, "draws": 300, "seed": 0}
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--effort", default="standard", help="small, quick, standard or thorough")
    return parser.parse_args()


if __name__ == "__main__":
    main()
