"""Width and place of a parameter's posteriors, whatever their shape."""

import numpy as np
import pytest
from scipy import stats

from closed_form import fail, gaussian, record
from sbipipe.gate.margins import CONFIDENCE, margins


def found(draws):
    return margins(draws, np.random.default_rng(0))["omega_m"]


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 1.3])
def test_the_width_is_found(scale):
    width = found(gaussian(3000, 1, scale=scale)).width
    assert width.low < scale < width.high
    assert width.high / width.low < 1.15


@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.5])
def test_the_place_is_found(shift):
    bias = found(gaussian(3000, 2, shift=shift)).bias
    assert bias.low < shift < bias.high
    assert bias.high - bias.low < 0.15


def test_the_width_of_skewed_posteriors_is_found():
    rng = np.random.default_rng(3)
    truth, drawn = rng.gamma(2, size=(2000, 1)), rng.gamma(2, size=(300, 2000, 1))
    narrowed = 2 + 0.7 * (drawn - 2)
    posterior = record(
        narrowed, truth, lambda t: stats.gamma(2).logpdf(t[..., 0]), np.ones(1), np.zeros(2000)
    )
    width = found(posterior).width
    assert width.low < 0.7 < width.high


def test_intervals_hold_the_truth_as_often_as_they_say():
    """A shift by 0.2 of the right width is one by 0.25 of the claimed one."""
    held = [
        (one.width.low < 0.8 < one.width.high, one.bias.low < 0.25 < one.bias.high)
        for one in (found(gaussian(200, s, scale=0.8, shift=0.2)) for s in range(100))
    ]
    error = np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / 100)
    assert np.mean(held, 0) == pytest.approx(CONFIDENCE, abs=4 * error)


def test_without_observations_there_is_no_width():
    assert np.isnan(found(fail(gaussian(50, 4), slice(0, 50))).width.value)
