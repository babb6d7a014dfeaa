import numpy as np
import pytest
from scipy import stats

from sbipipe.learning.pixels import Pixels, fit_pixels

RNG = np.random.default_rng(0)
SKEWED = np.exp(RNG.normal(size=(200, 2, 16, 16))) * np.array([1.0, 5.0])[:, None, None]


@pytest.mark.parametrize("kind", ["standard", "gaussian"])
def test_the_map_is_inverted_beyond_its_knots_too(kind):
    pixels = fit_pixels(SKEWED, kind)
    wide = SKEWED[:20] * np.geomspace(0.01, 30, 20)[:, None, None, None]
    np.testing.assert_allclose(pixels.inverse(pixels(wide)), wide, rtol=2e-4, atol=1e-4)


def test_gaussian_pixels_are_normal():
    y = fit_pixels(SKEWED, "gaussian")(SKEWED)
    for channel in range(2):
        assert stats.kstest(y[:, channel].ravel(), "norm").statistic < 0.005


def test_standard_pixels_have_zero_mean_and_unit_variance():
    y = fit_pixels(SKEWED, "standard")(SKEWED).astype(np.float64)
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 2, 3)), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["standard", "gaussian"])
def test_the_jacobian_is_the_slope(kind):
    pixels = fit_pixels(SKEWED, kind)
    x = SKEWED[:5]
    step = 1e-3 * x
    slope = (pixels(x + step).astype(float) - pixels(x - step)) / (2 * step)
    found = pixels.log_jacobian(x)
    np.testing.assert_allclose(found, np.log(slope).sum((1, 2, 3)), rtol=0.01)


def test_pixels_with_few_values_keep_the_order():
    x = RNG.integers(0, 4, (50, 1, 8, 8)).astype(float)
    pixels = fit_pixels(x, "gaussian")
    assert (np.diff(pixels.level) > 0).all()
    assert (np.diff(pixels.value) > 0).all()
    assert isinstance(pixels, Pixels)


def test_many_pixels_of_the_least_value_are_a_floor_under_a_normal():
    """All that is drawn below it is the least value; a channel without many has none."""
    x = SKEWED.copy()
    x[:, 0] = np.maximum(SKEWED[:, 0] - 1.5, 0)
    share, pixels = (x[:, 0] == 0).mean(), fit_pixels(x, "gaussian")
    y = pixels(x).astype(np.float64)
    assert pixels.floor[0] == pytest.approx(stats.norm.ppf(share), abs=0.02)
    assert pixels.floor[1] == -np.inf
    np.testing.assert_allclose(y[:, 0][x[:, 0] == 0], pixels.floor[0], atol=1e-6)
    assert y[:, 0][x[:, 0] > 0].min() > pixels.floor[0]
    np.testing.assert_allclose(pixels.inverse(y)[:, 0], x[:, 0], rtol=1e-3, atol=1e-4)
    drawn = pixels.inverse(stats.norm.ppf(RNG.random((200, 2, 16, 16))))[:, 0]
    assert np.abs(drawn.min()) < 1e-4
    assert (drawn > 1e-3).mean() == pytest.approx(1 - share, abs=0.01)
    assert stats.ks_2samp(drawn[drawn > 1e-3], x[:, 0][x[:, 0] > 1e-3]).pvalue > 1e-3
