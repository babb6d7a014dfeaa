"""PQMass has the chi-squared of a table of counts, holds its rate where fields share a simulation,
and finds what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pqm import pqm_chi2
from scipy import stats

from sbipipe.emulation.mass import chi_squared, mass
from sbipipe.interfaces import Array


def normal(seed: int, simulations: int = 20, each: int = 5, shared: float = 0.0) -> Array:
    """Points (G, e, 10) of unit variance, of which those of one simulation share a part."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((simulations, each, 10))
    common = rng.standard_normal((simulations, 1, 10))
    return np.sqrt(1 - shared) * own + np.sqrt(shared) * common


def test_chi_squared_is_that_of_the_table() -> None:
    rng = np.random.default_rng(0)
    both = rng.integers(5, 40, 30)
    tables = np.stack([rng.binomial(both, p) for p in (0.5, 0.3)])
    expected = [
        stats.chi2_contingency(np.stack([one, both - one]), correction=False).statistic
        for one in tables
    ]
    np.testing.assert_allclose(chi_squared(tables, both), expected)
    with_empty = chi_squared(np.pad(tables, ((0, 0), (0, 2))), np.pad(both, (0, 2)))
    np.testing.assert_allclose(with_empty, expected)


def test_independent_points_have_the_expected_chi_squared() -> None:
    """One less than the cells, to which the package comes as well."""
    found = [mass(normal(2 * i, 100), normal(2 * i + 1, 100), i) for i in range(10)]
    away = [one.chi_squared - one.expected for one in found]
    sd = np.sqrt(2 * 99 / 10)  # if tessellations of the same points were one
    assert abs(np.mean(away)) < 4 * sd
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    points = (torch.from_numpy(normal(seed, 100).reshape(-1, 10)) for seed in (0, 1))
    package = pqm_chi2(*points, num_refs=100, re_tessellation=10)
    assert abs(np.mean(package) - found[0].chi_squared) < 4 * np.sqrt(2 * 2 * 99 / 10)


def test_samples_that_have_nothing_in_common_differ_by_a_number() -> None:
    found = mass(normal(0, 200) + 1e3, normal(1, 200), 0)
    assert 1_000 < found.chi_squared < np.inf
    assert found.p == 0.002


@pytest.mark.parametrize("generated", [0.5, 0.0], ids=["simulations", "independent"])
def test_one_distribution_passes_at_its_rate(generated: float) -> None:
    """Of 100 repeats, p below 0.1 in as many as a binomial allows, 20 at most (99.9 %)."""
    p = np.array([
        mass(normal(2 * i, 20, 5, generated), normal(2 * i + 1, 20, 5, 0.5), i).p
        for i in range(100)
    ])  # fmt: skip
    assert (p < 0.1).sum() <= 20
    assert 0.35 < p.mean() < 0.65


def test_points_of_one_simulation_would_seem_to_differ_were_they_independent() -> None:
    """Its chi-squared is larger, and p does not mind."""
    found = [mass(normal(2 * i, 20, 5, 0.8), normal(2 * i + 1, 20, 5, 0.8), i) for i in range(10)]
    assert np.mean([one.chi_squared for one in found]) > 1.5 * found[0].expected
    assert np.mean([one.p for one in found]) > 0.2


@pytest.mark.parametrize("change", ["shifted", "narrower"])
def test_another_distribution_is_found(change: str) -> None:
    a, b = normal(0, 100), normal(1, 100)
    found = mass({"shifted": a + 0.4, "narrower": 0.7 * a}[change], b, 0)
    assert found.p <= 0.004
    assert found.chi_squared > 1.3 * found.expected


def test_equal_seeds_give_equal_numbers() -> None:
    a, b = normal(0), normal(1)
    first = mass(a, b, 5)
    assert mass(a, b, 5) == first
    assert mass(a, b, 6) != first
