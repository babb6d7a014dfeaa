"""Shift and width are taken out of ranks, and leave nothing; a wrong shape stays."""

import numpy as np
import pytest
from scipy import stats

from sbipipe.gate.mending import ORDER, shape, strays

N = 1000


def rng(seed=0):
    return np.random.default_rng(seed)


SIDEWAYS = {
    "narrow": stats.norm.cdf(rng().standard_normal(N) / 0.7),
    "wide": stats.norm.cdf(rng().standard_normal(N) / 1.3),
    "shifted": stats.norm.cdf(rng().standard_normal(N) - 0.5),
    "skewed and narrow": stats.gamma(2).cdf(2 + (rng().gamma(2, size=N) - 2) / 0.7),
    "bounded and narrow": np.clip(0.5 + (rng().random(N) - 0.5) / 0.7, 0, 1),
}
SHAPES = {
    "a Gaussian for an exponential": stats.norm.cdf(rng().exponential(size=N) - 1),
    "a Gaussian for a gamma": stats.norm.cdf((rng().gamma(4, size=N) - 4) / 2),
    "heavy tails for a Gaussian": stats.t(3).cdf(np.sqrt(3) * rng().standard_normal(N)),
}


@pytest.mark.parametrize("ranks", SIDEWAYS.values(), ids=SIDEWAYS)
def test_a_wrong_place_or_width_is_mended(ranks):
    found = shape(ranks, 2, outwards=False)
    assert found.p_value < 1e-6
    assert not found.wrong(0.01)


@pytest.mark.parametrize("ranks", SHAPES.values(), ids=SHAPES)
def test_a_wrong_shape_is_not(ranks):
    assert shape(ranks, 2, outwards=False).wrong(0.01)


@pytest.mark.parametrize("dimension", [1, 2, 6])
@pytest.mark.parametrize("scale", [0.7, 1.3])
def test_a_wrong_width_is_mended_in_the_ranks_of_the_density(dimension, scale):
    radius = rng(1).chisquare(dimension, N) / scale**2
    found = shape(stats.chi2(dimension).cdf(radius), dimension, outwards=True)
    assert found.left < 0.1


def test_uniform_ranks_do_not_stray():
    """The statistic is a chi-squared of K degrees of freedom less its mean."""
    found = [strays(rng(seed).random(N)) for seed in range(400)]
    assert np.mean(found) == pytest.approx(0, abs=4 * np.sqrt(2 * ORDER / 400))
    assert not shape(rng(2).random(N), 2, outwards=False).wrong(0.01)


def test_where_ranks_stray_is_told():
    """Truths avoid the lowest tenth of a posterior that is right above it."""
    found = shape(0.1 + 0.9 * rng(3).random(N), 1, outwards=True)
    assert 0 <= found.share <= 1
    assert found.rank < 0.3
