"""The mean spectra of Gaussian fields of two channels, which are known."""

import torch
from torch import Tensor
from torch.testing import assert_close

import gaussian_fields
from sbipipe.learning.chebyshev import Basis
from sbipipe.learning.mean_power import log_mean_power
from sbipipe.learning.mean_spectra import mean_spectra
from sbipipe.physics.bands import Bands

BANDS = Bands((gaussian_fields.SIDE,) * 2)


def correlated(s: Tensor, seed: int) -> Tensor:
    """Two channels of equal power, whose coherence 0.5 + 0.3 s_0 is that of every mode."""
    first, other = gaussian_fields.draw(s, seed), gaussian_fields.draw(s, seed + 1)
    r = (0.5 + 0.3 * s[:, 0])[:, None, None, None]
    return torch.cat([first, r * first + (1 - r**2).sqrt() * other], 1)


def test_channels_are_predicted_by_their_coherence_at_every_theta() -> None:
    basis, s = Basis(2, 2), gaussian_fields.parameters(4000, 0)
    power, onto = mean_spectra(BANDS.spectra(correlated(s, 1)), basis(s))
    assert not onto[:, :, 1].any()
    assert not onto[:, 0].any()
    at = torch.tensor([[-0.7, 0.5], [0.0, 0.0], [0.6, -0.4]], dtype=torch.float64)
    found, error = onto[:, 1, 0] @ basis(at).T, (6 / 4000 / torch.from_numpy(BANDS.modes)) ** 0.5
    assert bool(((found - 0.5 - 0.3 * at[:, 0]).abs().amax(1) < 4 * error + 0.01).all())
    first = gaussian_fields.draw(s, 1)
    assert_close(power[:, :1], log_mean_power(BANDS.power(first), basis(s)))


def test_channels_at_one_theta_need_no_polynomials() -> None:
    s = torch.zeros(2000, 2, dtype=torch.float64)
    onto = mean_spectra(BANDS.spectra(correlated(s, 3)), Basis(2, 2)(s))[1]
    found = onto[1:, 1, 0] @ Basis(2, 2)(s[:1])[0]
    assert_close(found, torch.full_like(found, 0.5), rtol=0, atol=0.1)
