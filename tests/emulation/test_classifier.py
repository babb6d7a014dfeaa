"""A classifier tells apart what differs, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from sbipipe.emulation.classifier import classified
from sbipipe.interfaces import Array


def normal(seed: int, simulations: int = 60, each: int = 5, shared: float = 0.0) -> Array:
    """Vectors (G, e, 8) of unit variance, of which those of one simulation share a part."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((simulations, each, 8))
    common = rng.standard_normal((simulations, 1, 8))
    return np.sqrt(1 - shared) * own + np.sqrt(shared) * common


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_one_distribution_cannot_be_told_from_itself(shared: float) -> None:
    """The area is 0.5 within its scatter over repeats, even where each simulation can be known by
    heart: folds hold whole ones."""
    found = [
        classified(normal(2 * i, shared=shared), normal(2 * i + 1, shared=shared), 0).auc
        for i in range(8)
    ]
    independent = 60 * (5 if shared == 0 else 1)
    null = np.sqrt((2 * independent + 1) / (12 * independent**2))  # of Mann & Whitney
    assert abs(np.mean(found) - 0.5) < 4 * null / np.sqrt(8)


@pytest.mark.parametrize(("change", "at_least"), [("shifted", 0.9), ("narrower", 0.75)])
def test_another_distribution_is_found(change: str, at_least: float) -> None:
    a, b = normal(0), normal(1)
    changed = {"shifted": a + 0.8, "narrower": 0.6 * a}[change]
    found = classified(changed, b, 0)
    assert found.auc > at_least
    assert 0 < found.se < 0.05


def test_the_area_of_a_shift_is_at_most_that_of_the_best_classifier() -> None:
    """Two normals of unit variance at a distance d are told apart with Phi(d / sqrt(2))."""
    a, b = normal(0, 200), normal(1, 200)
    a[..., 0] += 2.0
    best = norm.cdf(2 / np.sqrt(2))
    assert best - 0.06 < classified(a, b, 0).auc < best + 0.02


def test_equal_seeds_give_equal_numbers() -> None:
    a, b = normal(0), normal(1)
    assert classified(a, b, 3) == classified(a, b, 3)
