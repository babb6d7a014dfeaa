"""Simulation-based calibration of NLE and NRE: sbipipe against sbi, on the same trained networks.

    python benchmarks/sbc_against_sbi.py              # all of it; sbi takes most of an hour
    python benchmarks/sbc_against_sbi.py --rows 24    # sbi on 24 rows, its time extrapolated

Both draw 1,000 samples of the posterior of two parameters for each of 500 test rows and rank the
truth among them: sbi by `run_sbc` with its fastest sampler, `slice_np_vectorized`, and its
defaults; sbipipe on an adaptive grid, where it also evaluates the normalised density at its draws
and at the truth. With fewer rows for sbi, its time for all of them is extrapolated by the straight
line through the times of half and all of its rows. Rank distributions are compared by two-sample
Kolmogorov-Smirnov tests, on the same rows; the draws of sbi's chains are correlated, so its ranks
are the rougher ones.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sbi.diagnostics import run_sbc
from sbi.inference.posteriors import MCMCPosterior
from sbi.inference.potentials import (
    likelihood_estimator_based_potential,
    ratio_estimator_based_potential,
)
from scipy import stats
from torch import Tensor
from torch.distributions import MultivariateNormal

from sbipipe.estimators.nle import Nle
from sbipipe.estimators.nre import Nre
from sbipipe.interfaces import Dataset, Run
from sbipipe.protocols import Estimator
from sbipipe.seeds import torch_scope
from sbipipe.simulators.linear_gaussian import LinearGaussian

SIMULATOR = LinearGaussian(dimension=2, observations=4, noise=0.5)
ROWS, DRAWS, TARGET = 500, 1000, 50.0
Ranks = NDArray[np.integer[Any]]


def simulate(n: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    theta = SIMULATOR.prior.sample(n, rng)
    return Dataset(
        data=SIMULATOR.data, theta=theta, x=SIMULATOR.simulate(theta, rng), group=np.arange(n)
    )


def rank_ours(posterior: Any, test: Dataset) -> tuple[Ranks, float]:
    """Ranks (B, D) and seconds."""
    start = time.perf_counter()
    conditioned = posterior.at(test.x)
    samples = conditioned.sample(DRAWS, np.random.default_rng(0))
    conditioned.log_prob(test.theta[None])
    ranks = (samples.draws < test.theta).sum(0)
    return ranks, time.perf_counter() - start


def rank_sbi(posterior: MCMCPosterior, theta: Tensor, x: Tensor) -> tuple[Ranks, float]:
    """Ranks (B, D) and seconds."""
    start = time.perf_counter()
    with torch_scope(0):
        ranks, _ = run_sbc(theta, x, posterior, DRAWS, show_progress_bar=False)
    return ranks.numpy(), time.perf_counter() - start


def in_sbi_of_nle(posterior: Any, theta: Tensor, x: Tensor) -> tuple[MCMCPosterior, Tensor, Tensor]:
    """The same network in sbi, with theta and x as the network sees them."""
    member = posterior.ensemble.members[0]
    standard = member.embedding
    prior = MultivariateNormal(-standard.loc / standard.scale, torch.diag(standard.scale**-2))
    potential, transform = likelihood_estimator_based_potential(member.net, prior, None)
    sampler = MCMCPosterior(potential, prior, transform, method="slice_np_vectorized")
    return sampler, standard(theta), member.inputs(x)


def in_sbi_of_nre(posterior: Any, theta: Tensor, x: Tensor) -> tuple[MCMCPosterior, Tensor, Tensor]:
    """The same network in sbi, with theta and x as the network sees them."""
    (member,) = posterior.members
    prior = MultivariateNormal(torch.zeros(theta.shape[1]), torch.eye(theta.shape[1]))
    potential, transform = ratio_estimator_based_potential(member.net, prior, None)
    sampler = MCMCPosterior(potential, prior, transform, method="slice_np_vectorized")
    return sampler, theta, member.standardise(x)


def measure(kind: str, rows: int) -> dict[str, Any]:
    """Train one estimator, rank with both, compare."""
    estimator: Estimator = {"nle": Nle, "nre": Nre}[kind]()
    train, valid, test = simulate(12_000, 1), simulate(1_500, 2), simulate(ROWS, 3)
    posterior, history = estimator.fit(train, valid, SIMULATOR.prior, Run(seed=0))
    ranks, seconds = rank_ours(posterior, test)
    u = torch.as_tensor(SIMULATOR.prior.to_unbounded(test.theta)).float()
    in_sbi = {"nle": in_sbi_of_nle, "nre": in_sbi_of_nre}[kind]
    sampler, theta, x = in_sbi(posterior, u, torch.as_tensor(test.x).float())
    half = rows // 2
    _, first = (None, 0.0) if rows == ROWS else rank_sbi(sampler, theta[:half], x[:half])
    theirs, second = rank_sbi(sampler, theta[:rows], x[:rows])
    slope = 0.0 if rows == ROWS else (second - first) / (rows - half)
    total = second + slope * (ROWS - rows)
    return {
        "train_seconds": history.seconds,
        "sbipipe_seconds": seconds,
        "sbi_rows": rows,
        "sbi_seconds_measured": [first, second],
        "sbi_seconds": total,
        "ratio": total / seconds,
        "ratio_reached": total / seconds >= TARGET,
        "ks_p_value": [
            float(stats.ks_2samp(ranks[:rows, i], theirs[:, i]).pvalue) for i in range(2)
        ],
        "largest_rank_difference": int(np.abs(ranks[:rows] - theirs).max()),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="test rows for sbi, 4 to 500")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=["nle", "nre"], default=["nle", "nre"])
    options = parser.parse_args()
    if not 4 <= options.rows <= ROWS:
        parser.error(f"--rows: given {options.rows}; allowed: 4 to {ROWS}")
    torch.set_num_threads(options.threads)
    for kind in options.kinds:
        print(json.dumps({kind: measure(kind, options.rows)}, indent=1))


if __name__ == "__main__":
    main()
