"""With the exact denoiser the bound is above -log p, and closes on it as levels are added."""

import numpy as np
import pytest
import torch

from gaussian_fields import draw, eigenvalues, negative_log_likelihood, parameters
from sbipipe.emulators.diffusion.bound import bound, prior_term
from sbipipe.emulators.diffusion.gaussian import GaussianDenoiser

EXACT = GaussianDenoiser(eigenvalues=eigenvalues)
S = parameters(16, 0)
X = draw(S, 1)
TRUTH = negative_log_likelihood(X, S)


def gap(levels: int, draws: int = 4) -> tuple[float, float]:
    """Mean over the fields of the bound minus -log p, and its error."""
    log_snr = torch.linspace(12, -12, levels, dtype=torch.float64)
    found = bound(EXACT, X, S, log_snr, torch.Generator().manual_seed(levels), draws)
    assert found.levels.shape == (levels - 1, 16)
    error = float(found.standard_error.square().mean().sqrt()) / 16**0.5
    return float((found.total - TRUTH).mean()), error


def test_the_gap_is_positive_and_closes():
    gaps = [gap(levels) for levels in (8, 32, 128, 512)]
    for value, error in gaps:
        assert value > -3 * error
    values = [value for value, _ in gaps]
    assert values[0] > 4 * values[1] > 8 * values[2]
    last, error = gaps[-1]
    assert last < 3 * error + 0.05 * values[1]


def test_the_prior_term_is_the_divergence_of_two_gaussians():
    log_snr = torch.tensor(-1.0)
    mean = torch.sigmoid(log_snr).sqrt() * X
    normal = torch.distributions.Normal(mean, torch.sigmoid(-log_snr).sqrt())
    unit = torch.distributions.Normal(torch.zeros_like(X), torch.ones_like(X))
    expected = torch.distributions.kl_divergence(normal, unit).flatten(1).sum(1)
    torch.testing.assert_close(prior_term(X, log_snr), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shift", [(0, 0), (5, 2)])
def test_a_rolled_field_with_rolled_noise_has_the_same_bound(shift):
    """The denoiser is isotropic, so the only difference is rounding."""

    class Rolled:
        def __call__(self, z, log_snr, s):
            back = torch.roll(z, (-shift[0], -shift[1]), (2, 3))
            return torch.roll(EXACT(back, log_snr, s), shift, (2, 3))

    log_snr = torch.linspace(6, -6, 12, dtype=torch.float64)
    found = [
        bound(denoiser, X, S, log_snr, torch.Generator().manual_seed(0)).total
        for denoiser in (EXACT, Rolled())
    ]
    torch.testing.assert_close(*found)


def test_equal_seeds_give_equal_bounds():
    log_snr = torch.linspace(6, -6, 5, dtype=torch.float64)
    totals = [
        bound(EXACT, X, S, log_snr, torch.Generator().manual_seed(3)).total.numpy()
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*totals)
