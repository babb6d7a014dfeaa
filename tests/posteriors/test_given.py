"""A few numbers of each observation, whatever the estimator is given."""

import numpy as np
import pytest
from scipy import stats

from rows import rows_of
from sbipipe.posteriors.given import LARGEST, Given, given

RNG = np.random.default_rng(1)


def of(x):
    return given(rows_of(np.zeros((len(x), 1)), x))


def test_short_vectors_are_taken_as_they_are():
    x = RNG.standard_normal((20, 3))
    found = of(x)
    assert list(found) == ["x0", "x1", "x2"]
    np.testing.assert_array_equal(np.stack(list(found.values()), 1), x)


def test_the_leading_direction_of_long_vectors_is_what_moves_them_all():
    """One number in thirty components, each through a monotone function of its own."""
    latent = RNG.standard_normal(300)
    scales = np.geomspace(1e-3, 1e6, 30)
    x = scales * np.sinh(latent[:, None] + 0.3 * RNG.standard_normal((300, 30)))
    found = list(of(x).values())
    assert len(found) == LARGEST
    assert abs(stats.spearmanr(found[0], latent).statistic) > 0.98


@pytest.mark.parametrize("observations", [1, 2, 5])
def test_fewer_observations_than_directions(observations):
    found = of(RNG.standard_normal((observations, 20)))
    assert len(found) == LARGEST
    assert all(values.shape == (observations,) for values in found.values())


def test_an_observation_that_is_not_finite_has_no_numbers():
    x = RNG.standard_normal((50, 12))
    x[7] = np.nan
    for values in of(x).values():
        assert np.isnan(values[7])
        assert np.isfinite(np.delete(values, 7)).all()
    assert all(np.isnan(values).all() for values in of(np.full((3, 12), np.nan)).values())


def test_of_fields_the_moments_of_each_channel():
    x = RNG.standard_normal((4, 2, 8, 8)) * 3 + 1
    found = of(x)
    assert list(found) == [
        "the mean of channel 0", "the scatter of channel 0",
        "the mean of channel 1", "the scatter of channel 1",
    ]  # fmt: skip
    np.testing.assert_allclose(found["the scatter of channel 1"], x[:, 1].std((1, 2)))


@pytest.mark.parametrize("components", [3, 20])
def test_the_numbers_of_others_are_those_of_the_rows_that_it_is_learned_from(components):
    x = RNG.standard_cauchy((200, components))
    learned = Given.of(x)
    again = Given.restored(learned.arrays)
    np.testing.assert_allclose(again(x).T, list(of(x).values()), atol=1e-12)
    far = again(1e9 * np.abs(x[:4]))
    assert far.shape == (4, min(components, LARGEST))
    assert np.isfinite(far).all()
