"""What the gate's tests find, by kind of error, and how often they reject exact posteriors.

    python benchmarks/power.py                  # half an hour on two cores
    python benchmarks/power.py --repeats 20     # a rough look

Posteriors are known in closed form: x = z + noise with z and the noise both N(0, C), so that z
given x is N(x / 2, C / 2), and theta is a function of z: itself, or one that makes the posterior
skewed, bounded, bimodal or curved. No test was tuned to these. "Before" are the tests of each
parameter, of the density, of coverage and TARP, "after" those and the tests of pairs, of the spread
of ranks and of regions, each corrected for its own number. An error counts as found where any test
rejects at the gate's level of 0.01. False alarms are at a level of 0.05, with the smallest number
of simulations.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import joblib
import numpy as np
from scipy import special, stats

from sbipipe.diagnostics.coverage import Coverage
from sbipipe.diagnostics.regions import Regions
from sbipipe.diagnostics.sbc import Sbc
from sbipipe.diagnostics.tarp import Tarp
from sbipipe.gate.testing import Test, holm, run_tests
from sbipipe.interfaces import Array, PosteriorDraws

DIAGNOSTICS = {"sbc": Sbc(), "coverage": Coverage(), "tarp": Tarp(), "regions": Regions()}
NEW = ("sbc.pairs", "sbc.spread", "regions.regions")
DRAWS, LEVEL, NOMINAL = 300, 0.01, 0.05


@dataclass(frozen=True, kw_only=True)
class Shape:
    """theta as a function of z, and the log density of theta given that of z."""

    theta: Callable[[Array], Array]
    log_prob: Callable[[Array, Callable[[Array], Array]], Array]


def bimodal(theta: Array, of_z: Callable[[Array], Array]) -> Array:
    """The first parameter is 2 + z with either sign."""
    both = [np.concatenate([s * theta[..., :1] - 2, theta[..., 1:]], -1) for s in (1, -1)]
    return np.logaddexp(*map(of_z, both)) - np.log(2)


def signed(z: Array) -> Array:
    """2 + z with a sign that the data do not tell: whether a far digit of z is even."""
    sign = np.where(np.floor(1e6 * z[..., :1]) % 2, 1, -1)
    return np.concatenate([sign * (2 + z[..., :1]), z[..., 1:]], -1)


def bent(z: Array, by: float = 1.0) -> Array:
    """The second parameter plus the square of the first."""
    return np.concatenate([z[..., :1], z[..., 1:2] + by * z[..., :1] ** 2, z[..., 2:]], -1)


def phi(z: Array) -> Array:
    """Log density of a standard normal, summed over parameters."""
    return np.asarray(stats.norm.logpdf(z).sum(-1))


SHAPES = {
    "Gaussian": Shape(theta=lambda z: z, log_prob=lambda t, of_z: of_z(t)),
    "skewed": Shape(theta=np.exp, log_prob=lambda t, of_z: of_z(np.log(t)) - np.log(t).sum(-1)),
    "bounded": Shape(
        theta=special.ndtr, log_prob=lambda t, of_z: of_z(special.ndtri(t)) - phi(special.ndtri(t))
    ),
    "bimodal": Shape(theta=signed, log_prob=bimodal),
    "curved": Shape(theta=bent, log_prob=lambda t, of_z: of_z(bent(t, -1.0))),
}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A posterior that is exact but for these errors.

    Attributes:
        widths: The factor on each parameter's width, for x (N, D).
        shift: The displacement of every parameter, in posterior standard deviations.
        correlation: The correlation of the parameters.
        claimed: The correlation that the posterior claims, where it is another.
        informed: Whether the posterior knows of x; else it is the prior.
        dimension: The number of parameters.
    """

    widths: Callable[[Array], Array] = field(default=lambda x: np.ones(x.shape))
    shift: float = 0.0
    correlation: float = 0.0
    claimed: float | None = None
    informed: bool = True
    dimension: int = 2


def by_region(narrow: float, wide: float) -> Callable[[Array], Array]:
    """One width where the first datum is above zero, another elsewhere."""
    return lambda x: np.where(x[:, :1] > 0, narrow, wide) * np.ones(x.shape)


def one_width(factor: float) -> Callable[[Array], Array]:
    """The first parameter's width alone."""
    return lambda x: np.where(np.arange(x.shape[1]) == 0, factor, np.ones(x.shape))


def balanced(narrow: float) -> float:
    """The width that makes the ranks' dispersion right on average with `narrow`: that of a width s
    is asin(1 / (1 + s^2)) 6 / pi."""
    other = np.pi / 3 - np.arcsin(1 / (1 + narrow**2))
    return float(np.sqrt(1 / np.sin(other) - 1))


ERRORS = {
    "all widths x0.8": Claim(widths=lambda x: np.full(x.shape, 0.8)),
    "all widths x1.25": Claim(widths=lambda x: np.full(x.shape, 1.25)),
    "one of two widths x0.8": Claim(widths=one_width(0.8)),
    "one of six widths x0.8": Claim(widths=one_width(0.8), dimension=6),
    "one of six widths x1.25": Claim(widths=one_width(1.25), dimension=6),
    "shifted by 0.3 sd": Claim(shift=0.3),
    "correlation of 0.7 dropped": Claim(correlation=0.7, claimed=0.0),
    "x0.7 in one half, x1.3 in the other": Claim(widths=by_region(0.7, 1.3)),
    "x0.7 and x1.50, exact on average": Claim(widths=by_region(0.7, balanced(0.7))),
    "x0.8 and x1.27, exact on average": Claim(widths=by_region(0.8, balanced(0.8))),
    "the prior, whatever x": Claim(informed=False),
}


def draws(shape: Shape, claim: Claim, n: int, seed: int) -> PosteriorDraws:
    """Truths, data and what the claim draws for them."""
    rng = np.random.default_rng([n, seed])
    dimension, unit = claim.dimension, np.eye(claim.dimension)
    root = np.linalg.cholesky((1 - claim.correlation) * unit + claim.correlation)
    z, noise = rng.standard_normal((2, n, dimension)) @ root.T
    x = z + noise
    rho = claim.correlation if claim.claimed is None else claim.claimed
    claimed = np.linalg.cholesky((1 - rho) * unit + rho)
    mean, width = (x / 2 + claim.shift / np.sqrt(2), claim.widths(x) / np.sqrt(2))
    if not claim.informed:
        mean, width = 0 * x, 1 + 0 * x
    drawn = mean + width * (rng.standard_normal((DRAWS, n, dimension)) @ claimed.T)
    inverse = np.linalg.inv(claimed)

    def of_z(values: Array) -> Array:
        return phi((values - mean) / width @ inverse.T) - np.log(width).sum(-1)

    theta, values = shape.theta(z), shape.theta(drawn)
    return PosteriorDraws(
        parameters=tuple(f"p{i}" for i in range(dimension)),
        theta=theta,
        draws=values,
        log_prob=shape.log_prob(values, of_z),
        log_prob_truth=shape.log_prob(theta, of_z),
        log_prior_truth=shape.log_prob(theta, lambda values: phi(values @ np.linalg.inv(root).T)),
        log_prob_controls={},
        effective_sample_size=np.full(n, float(DRAWS)),
        prior_variance=np.ones(dimension),
        seconds=0.0,
        given={f"x{i}": column for i, column in enumerate(x.T)},
    )


def smallest(tests: Mapping[str, Test]) -> float:
    """The smallest adjusted p-value of some tests."""
    return float(holm(np.array([test.p_value for test in tests.values()])).min())


def measure(shape: str, claim: Claim, n: int, seed: int) -> tuple[float, ...]:
    """The smallest adjusted p-values before and after, and the p-values of the new tests."""
    tests = run_tests(draws(SHAPES[shape], claim, n, seed), DIAGNOSTICS, LEVEL, seed)
    old = {key: test for key, test in tests.items() if key not in NEW}
    return (smallest(old), smallest(tests), *(tests[key].p_value for key in NEW))


def table(
    cases: Mapping[str, tuple[str, Claim]], sizes: list[int], repeats: int, level: float
) -> None:
    """Print the shares of rejections, a line for each case."""
    heads = ["before", "after", *NEW]
    print("| | " + " | ".join(f"N = {n}: {head}" for n in sizes for head in heads) + " |")
    print("|---" * (1 + len(heads) * len(sizes)) + "|")
    for name, (shape, claim) in cases.items():
        line = []
        for n in sizes:
            work = joblib.delayed(measure)
            found = joblib.Parallel()(work(shape, claim, n, seed) for seed in range(repeats))
            line += (np.array(found) <= level).mean(0).tolist()
        print(f"| {name} | " + " | ".join(f"{share:.3g}" for share in line) + " |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100, help="of each error")
    parser.add_argument("--exact", type=int, default=200, help="of each exact posterior")
    parser.add_argument("--simulations", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    start = time.perf_counter()
    with joblib.parallel_config(n_jobs=options.workers):
        print(f"Found at level {LEVEL}, of {options.repeats}:\n")
        wrong = {name: ("Gaussian", claim) for name, claim in ERRORS.items()}
        table(wrong, options.simulations, options.repeats, LEVEL)
        if not options.exact:
            return
        print(f"\nExact posteriors rejected at level {NOMINAL}, of {options.exact}:\n")
        exact = {name: (name, Claim()) for name in SHAPES}
        table(exact, [min(options.simulations)], options.exact, NOMINAL)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
