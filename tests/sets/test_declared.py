"""Parameters from their prior pass, however evenly they lie; others are refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from sbipipe.interfaces import Array
from sbipipe.priors.prior import Normal, ProductPrior, Uniform, uniform_prior
from sbipipe.records import InputError
from sbipipe.sets.declared import (
    departures,
    margin_p_value,
    pair_p_value,
    require,
    scores,
    significant,
    simulated,
)

UNIT = {d: uniform_prior(**{f"p{i}": (0.0, 1.0) for i in range(d)}) for d in range(1, 29)}
MIXED = ProductPrior(
    {
        "a": Normal(kind="normal", loc=3.0, scale=2.0),
        "b": Uniform(kind="uniform", low=-1.0, high=1.0),
    }
)


def refused(theta: Array, prior: ProductPrior | None = None) -> list[str]:
    """The lines for simulations that have a group each."""
    return departures(theta, np.arange(len(theta)), prior or UNIT[theta.shape[1]])


def grid(side: int, dimension: int, *, ends: bool) -> Array:
    """A full factorial of the midpoints of cells, or with the edges of the prior."""
    axis = np.linspace(0, 1, side) if ends else (np.arange(side) + 0.5) / side
    return np.stack(np.meshgrid(*[axis] * dimension), -1).reshape(-1, dimension)


@pytest.mark.parametrize("n", [10, 100, 3000])
def test_independent_draws_are_never_refused(n: int) -> None:
    rng = np.random.default_rng(n)
    assert not any(refused(rng.random((n, 3))) for _ in range(100))
    assert not any(refused(MIXED.sample(n, rng), MIXED) for _ in range(50))


@pytest.mark.parametrize("n", [10, 30, 200])
def test_p_values_are_upper_bounds(n: int) -> None:
    """At any level not more than that share of independent draws lie below it."""
    rng, repeats = np.random.default_rng(n), 1500
    q = rng.random((repeats, n, 2))
    margins = np.array([margin_p_value(one[:, 0], n) for one in q])
    pairs = np.array([pair_p_value(*(scores(c, 2) for c in one.T), n) for one in q])
    for level in (0.1, 0.01):
        most = stats.binom(repeats, level).ppf(0.9999) / repeats
        assert (margins < level).mean() <= most
        assert (pairs < level).mean() <= most


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize(("side", "dimension"), [(10, 1), (40, 2), (10, 3), (5, 5), (2, 8)])
def test_grids_pass(side: int, dimension: int, ends: bool) -> None:
    assert not refused(grid(side, dimension, ends=ends))
    assert margin_p_value(grid(side, dimension, ends=ends)[:, 0], side**dimension) == 1


@pytest.mark.parametrize(
    "design",
    [
        lambda n, d, seed: qmc.Sobol(d, scramble=False).random(n),
        lambda n, d, seed: qmc.Sobol(d, rng=seed).random(n),
        lambda n, d, seed: qmc.LatinHypercube(d, rng=seed).random(n),
        lambda n, d, seed: qmc.Halton(d, rng=seed).random(n),
    ],
    ids=["Sobol", "scrambled Sobol", "latin hypercube", "Halton"],
)
@pytest.mark.parametrize(
    ("n", "dimension"), [(64, 2), (1000, 2), (1000, 6), (256, 12), (1024, 28), (512, 28)]
)
@pytest.mark.filterwarnings("ignore:The balance properties of Sobol")
def test_space_filling_designs_pass(
    design: Callable[[int, int, int], Array], n: int, dimension: int
) -> None:
    for seed in range(3):
        assert not refused(design(n, dimension, seed))


@pytest.mark.parametrize(("shape", "n"), [(8.0, 200), (2.0, 1500), (1.3, 8000)])
def test_narrower_and_wider_designs_are_refused(shape: float, n: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        theta = np.column_stack([rng.random(n), rng.beta(shape, shape, n)])
        (line,) = refused(theta)
        assert line.startswith(f"p1: given {n} simulations with quartiles 0.")
        assert "for a prior with 0.25, 0.5, 0.75 and 0.289 (p " in line
        assert line.endswith("; allowed: the prior that theta was drawn from, or {kind: as_drawn}")


def test_a_shifted_prior_is_refused() -> None:
    theta = MIXED.sample(1000, np.random.default_rng(0)) + np.array([1.0, 0.0])
    (line,) = refused(theta, MIXED)
    assert line.startswith("a: given 1000 simulations")


def test_rounding_hides_nothing() -> None:
    rng = np.random.default_rng(0)
    right, wrong = rng.random((5000, 2)), rng.beta(8, 8, (5000, 2))
    assert not refused(right.round(2))
    assert len(refused(wrong.round(2))) == 2


def test_correlated_parameters_are_refused_by_name() -> None:
    for seed in range(5):
        normal = np.random.default_rng(seed).multivariate_normal(
            [0, 0, 0], [[1, 0, 0.5], [0, 1, 0], [0.5, 0, 1]], 600
        )
        (line,) = refused(stats.norm.cdf(normal))
        assert line.startswith("p0 and p2: given 600 simulations with rank correlation 0.")


def test_curved_dependence_is_refused() -> None:
    """b follows (a - 1/2)^2: no correlation."""
    rng = np.random.default_rng(0)
    a = rng.random(1000)
    b = stats.rankdata((a - 0.5) ** 2 + 0.05 * rng.standard_normal(1000)) / 1001
    assert abs(stats.spearmanr(a, b).statistic) < 0.1
    (line,) = refused(np.column_stack([a, b]))
    assert line.startswith("p0 and p1: ")


def test_rows_of_one_theta_count_once() -> None:
    """Fifteen rows of each of 40 simulations are as good as 40, with groups or without."""
    rng = np.random.default_rng(0)
    theta = rng.beta(2, 2, (40, 1)).repeat(15, 0)
    for group in (np.arange(600), np.arange(600) // 15):
        assert simulated(theta, group)[1] == 40
        assert not departures(theta, group, UNIT[1])


def test_rows_without_parameters_are_passed_over() -> None:
    theta = np.random.default_rng(0).random((200, 2))
    theta[::3, 0] = np.nan
    assert not refused(theta)


def test_the_level_is_shared_by_all_that_is_tested() -> None:
    """A p-value between the shares of one parameter and of 28 counts for one alone."""
    theta = np.random.default_rng(0).random((400, 28))
    theta[:, 0] = stats.uniform(0, 1).ppf(theta[:, 0]) ** 1.55
    p_value = margin_p_value(theta[:, 0], 400)
    assert 1e-6 / (28 + 378) < p_value < 1e-6
    assert (0,) in significant(theta[:, :1], 400, UNIT[1])
    assert not significant(theta, 400, UNIT[28])


def test_a_design_is_required_to_follow_its_prior() -> None:
    with pytest.raises(InputError, match=r"^simulate\.mine: p0: given 300 simulations") as error:
        require(np.random.default_rng(0).beta(8, 8, (300, 2)), UNIT[2], "simulate.mine")
    assert len(error.value.problems) == 2
