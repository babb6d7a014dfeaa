"""The classifier is as good as the best one, where that is known."""

import numpy as np
import pytest
from scipy import stats

from sbipipe.posteriors.two_samples import c2st


def accuracy(first, second, repeats=8):
    return np.mean([c2st(first(s), second(100 + s), s) for s in range(repeats)])


def normal(scale=1.0, shift=0.0, dimension=2):
    return lambda seed: (
        shift + scale * np.random.default_rng(seed).standard_normal((1000, dimension))
    )


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_equal_samples_cannot_be_told_apart(dimension):
    same = normal(dimension=dimension)
    assert accuracy(same, same) == pytest.approx(0.5, abs=0.015)


def test_repeated_draws_are_no_difference():
    def repeated(seed):
        rng = np.random.default_rng(seed)
        return rng.standard_normal((250, 2))[rng.integers(0, 250, 1000)]

    assert accuracy(repeated, normal()) < 0.56


@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0])
def test_accuracy_for_shifted_gaussians_is_the_best_possible(shift):
    best = stats.norm.cdf(shift * np.sqrt(2) / 2)
    assert accuracy(normal(), normal(shift=shift)) == pytest.approx(best, abs=0.017)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_accuracy_for_narrowed_gaussians_is_the_best_possible(dimension):
    """The best classifier cuts where the densities cross, r^2 = 2 D log(1/s) / (1/s^2 - 1)."""
    chi2, s = stats.chi2(dimension), 0.7
    cut = 2 * dimension * np.log(1 / s) / (1 / s**2 - 1)
    best = (chi2.sf(cut) + chi2.cdf(cut / s**2)) / 2
    found = accuracy(normal(dimension=dimension), normal(scale=s, dimension=dimension))
    assert found == pytest.approx(best, abs=0.02)


def test_two_modes_are_told_from_one_of_equal_mean_and_covariance():
    """Best possible: 0.757, by integrating the larger density."""

    def two(seed):
        rng = np.random.default_rng(seed)
        centre = np.stack([np.where(rng.random(1000) < 0.5, -1, 1), np.zeros(1000)], 1)
        return centre + 0.25 * rng.standard_normal((1000, 2))

    def one(seed):
        rng = np.random.default_rng(seed)
        return rng.standard_normal((1000, 2)) * np.sqrt([1 + 0.25**2, 0.25**2])

    assert accuracy(two, one) == pytest.approx(0.757, abs=0.03)
