"""The mean power of Gaussian fields, which is known."""

from torch.testing import assert_close

import gaussian_fields
from sbipipe.learning.chebyshev import Basis
from sbipipe.learning.mean_power import log_mean_power
from sbipipe.physics.bands import Bands

BANDS = Bands((gaussian_fields.SIDE,) * 2)


def test_the_mean_power_of_fields_is_a_polynomial_of_theta() -> None:
    basis, s = Basis(2, 2), gaussian_fields.parameters(4000, 0)
    power = BANDS.power(gaussian_fields.draw(s, 1))
    found = log_mean_power(power, basis(s))[:, 0] @ basis(s[:5]).T
    exact = gaussian_fields.eigenvalues(s[:5]).log().flatten(1).T
    of_mode = BANDS.of_mode.ravel()
    for band in range(len(BANDS)):
        inside = exact[of_mode == band].exp().mean(0).log()
        error = (2 / BANDS.modes[band] / 4000) ** 0.5 * 6**0.5
        assert_close(found[band], inside, rtol=0, atol=0.02 + 4 * error)


def test_at_one_theta_it_is_the_mean() -> None:
    """Where all terms but one are told apart by nothing."""
    s = gaussian_fields.parameters(1, 0).expand(300, -1)
    power, terms = BANDS.power(gaussian_fields.draw(s, 1)), Basis(2, 2)(s)
    found = log_mean_power(power, terms) @ terms[0]
    assert_close(found, power.mean(0).log(), rtol=0, atol=1e-6)
