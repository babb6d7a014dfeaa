"""Observations from the simulations lie inside at the stated rate; others do not."""

import numpy as np
import pytest
from scipy import stats

from sbipipe.posteriors.novelty import Novelty, among, either, features, neighbourhood


def rows(n, seed):
    """Correlated summaries of very different units."""
    z = np.random.default_rng(seed).standard_normal((n, 3))
    return (z @ np.array([[1, 0.9, 0], [0, 0.4, 0], [0, 0, 1]])) * [1, 1e-6, 1e6] + [5, 0, 1]


def test_observations_from_the_simulations_are_outside_at_most_at_the_stated_rate():
    near = Novelty(rows(1000, 1)).fit(rows(400, 2))
    outside = sum(near.report(x)["where"] == "outside" for x in rows(500, 3))
    assert outside <= stats.binom.ppf(0.999, 500, 0.03)


def test_mahalanobis_distance_is_that_of_the_whitened_rows():
    train, x = rows(1000, 1), rows(1, 4)[0]
    difference = x - train.mean(0)
    expected = np.sqrt(difference @ np.linalg.inv(np.cov(train.T)) @ difference)
    found = Novelty(train).fit(rows(100, 2)).report(x)
    assert found["mahalanobis"]["distance"] == pytest.approx(expected, rel=1e-4)


def test_a_point_against_the_correlation_is_outside():
    found = Novelty(rows(1000, 1)).fit(rows(400, 2)).report(np.array([7.0, -2e-6, 1.0]))
    assert found["where"] == "outside"
    assert found["mahalanobis"]["percentile"] == 100
    assert found["words"].startswith("outside the training summaries: farther")


def test_beyond_a_ring_is_outside_though_its_centre_is_near_the_mean():
    def ring(n, seed):
        angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, n)
        return np.stack([np.cos(angle), np.sin(angle)], 1)

    found = Novelty(ring(1000, 1)).fit(ring(400, 2)).report(np.zeros(2))
    assert found["mahalanobis"]["percentile"] < 50
    far = Novelty(ring(1000, 1)).fit(ring(400, 2)).report(np.array([1.5, 0.0]))
    assert far["where"] == "outside"


def test_a_direction_without_variation_is_watched():
    train, valid = rows(300, 1), rows(200, 2)
    train[:, 2], valid[:, 2] = 3.0, 3.0
    near = Novelty(train).fit(valid)
    assert near.report(np.array([5.0, 0, 3.0]))["where"] == "inside"
    assert near.report(np.array([5.0, 0, 3.5]))["where"] == "outside"


def sorted_tails(n, seed):
    """Ten sorted numbers of a Cauchy distribution around somewhere in [0, 10]."""
    rng = np.random.default_rng(seed)
    numbers = stats.cauchy.rvs(size=(n, 10), random_state=rng)
    return np.sort(rng.uniform(0, 10, (n, 1)) + numbers, 1)


@pytest.mark.parametrize("strange", [lambda x: 50 * (-1.0) ** np.arange(len(x)), lambda x: x + 100])
def test_heavy_tails_hide_nothing(strange):
    near = Novelty(sorted_tails(3000, 1)).fit(sorted_tails(1000, 2))
    x = sorted_tails(50, 3)
    ordinary = [near.report(row)["where"] == "outside" for row in x]
    assert sum(ordinary) <= stats.binom.ppf(0.999, len(x), 0.03)
    assert np.mean([near.report(strange(row))["where"] == "outside" for row in x]) > 0.8


def test_what_is_outside_in_one_of_two_spaces_is_outside():
    read = {"mmd_percentile": np.array([1.0, 2.0]), "outside": np.array([0.0, 1.0])}
    whole = {"mmd_percentile": np.array([100.0, 3.0]), "outside": np.array([1.0, 0.0])}
    found = either(read, whole)
    np.testing.assert_array_equal(found["outside"], [1, 1])
    np.testing.assert_array_equal(found["mmd_percentile"], read["mmd_percentile"])
    np.testing.assert_array_equal(found["whole_mmd_percentile"], whole["mmd_percentile"])


def test_wrong_input_is_an_error():
    with pytest.raises(ValueError, match=r"train_x: given shape \(3, 4, 4\)"):
        Novelty(np.zeros((3, 4, 4)))
    near = Novelty(rows(50, 1)).fit(rows(20, 2))
    with pytest.raises(ValueError, match=r"x: given shape \(1, 2\); allowed: 1 or more rows of 3"):
        near.report(np.zeros(2))
    with pytest.raises(ValueError, match="NaN"):
        near.report(np.full(3, np.nan))


def test_features_of_white_and_smoothed_noise_are_the_expected_ones():
    """Steps of w(i, j) + w(i-1, j) + w(i, j-1), normalised, have the variance 4/3; of w, 2."""
    rng = np.random.default_rng(0)
    white = rng.normal(size=(50, 1, 32, 32))
    smooth = (white + np.roll(white, 1, 2) + np.roll(white, 1, 3)) / np.sqrt(3)
    for fields, variance in ((white, 2), (smooth, 4 / 3)):
        expected = [0, 0, 0, 3, *2 * [np.log(variance) / 2]]
        np.testing.assert_allclose(features(fields).mean(0), expected, atol=0.05)


def test_features_of_a_constant_field_are_finite():
    assert np.isfinite(features(np.ones((2, 3, 8, 8)))).all()


def test_what_is_read_whole_is_compared_once():
    near = neighbourhood(rows(1000, 1), rows(400, 2))
    x = rows(5, 3)

    def refused():
        raise AssertionError("asked in vain")

    alone = among(lambda: near, refused, x, x)
    assert set(alone) == {"mahalanobis_percentile", "mmd_percentile", "outside"}
    both = among(lambda: near, lambda: near, x, 2 * x)
    np.testing.assert_array_equal(both["mmd_percentile"], alone["mmd_percentile"])
    twice = near.places(2 * x)
    np.testing.assert_array_equal(both["whole_mmd_percentile"], twice["mmd_percentile"])
    np.testing.assert_array_equal(both["outside"], np.maximum(alone["outside"], twice["outside"]))
