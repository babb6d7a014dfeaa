"""Sharpness of a posterior that is known in closed form."""

import numpy as np
import pytest

from closed_form import gaussian
from sbipipe.gate.sharpness import contraction, estimate, log_prob_truth


def test_sharpness_of_the_conjugate_gaussian():
    """E log N(theta; x/2, 1/2) = -(log(pi) + 1) for D = 2, and the variance halves."""
    draws = gaussian(20_000, 10)
    found = log_prob_truth(draws)
    assert found.mean == pytest.approx(-np.log(np.pi) - 1, abs=4 * found.se)
    assert found.se == pytest.approx(1 / np.sqrt(20_000), rel=0.1)
    assert contraction(draws)["omega_m"] == pytest.approx(0.5, abs=0.01)


def test_the_error_of_a_mean_is_the_bootstraps():
    values = np.random.default_rng(11).standard_exponential(400)
    resampled = np.random.default_rng(12).choice(values, (4000, 400)).mean(1)
    assert estimate(values).se == pytest.approx(resampled.std(), rel=0.05)
