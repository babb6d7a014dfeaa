"""The closed form against Wiener's filter, Monte Carlo and the analytic likelihood."""

import numpy as np
import torch

from gaussian_fields import SIDE, draw, eigenvalues, negative_log_likelihood, parameters
from sbipipe.emulators.diffusion.denoiser import add_noise
from sbipipe.emulators.diffusion.gaussian import GaussianDenoiser
from sbipipe.emulators.diffusion.linear import fit_linear
from sbipipe.learning.chebyshev import Basis
from sbipipe.physics.bands import Bands

BANDS, BASIS = Bands((SIDE, SIDE)), Basis(2, 3)
TRAIN_S = parameters(6000, 0)
TRAIN = draw(TRAIN_S, 1)
S = parameters(40, 2)
X = draw(S, 3)


LINEAR = fit_linear(TRAIN, TRAIN_S, BASIS)


def test_it_is_wieners_filter():
    wiener = GaussianDenoiser(eigenvalues=eigenvalues)
    eps = torch.from_numpy(np.random.default_rng(4).normal(size=X.shape))
    for level in (-4.0, 0.0, 4.0):
        log_snr = torch.full((len(X),), level, dtype=torch.float64)
        z = add_noise(X, eps, log_snr)
        best, found = wiener(z, log_snr, S), LINEAR(z, log_snr, S)
        missed = [float((eps - guess).square().mean()) for guess in (best, found)]
        assert missed[1] < 1.01 * missed[0]
        assert float((best - found).square().mean()) < 0.003


def test_the_form_is_the_expectation_over_the_noise():
    """Differences between parameters, against the mean of 4,000 draws of the noise."""
    level = torch.tensor([1.0], dtype=torch.float64)
    form = LINEAR.form(BANDS.moments(X[:1]), level, torch.ones(1, dtype=torch.float64))
    terms = LINEAR.basis.squared(S[:2])
    expected = float((terms[0] - terms[1]) @ form[0])
    many = X[:1].expand(4000, -1, -1, -1)
    eps = torch.from_numpy(np.random.default_rng(5).normal(size=many.shape))
    z = add_noise(many, eps, level.expand(4000))
    costs = [
        (eps - LINEAR(z, level.expand(4000), s.expand(4000, -1))).square().flatten(1).sum(1) / 2
        for s in S[:2]
    ]
    difference = costs[0] - costs[1]
    error = float(difference.std()) / 4000**0.5
    assert abs(float(difference.mean()) - expected) < 4 * error


def test_the_whole_bound_is_the_likelihood_of_gaussian_fields():
    gap = LINEAR.nats(BANDS.moments(X), S) - negative_log_likelihood(X, S)
    assert float(gap.mean()) > -4 * float(gap.std()) / 40**0.5
    assert abs(float(gap.mean())) < 0.6
    assert float(gap.std()) < 0.6


def test_what_is_unexplained_rises_from_nothing_to_everything():
    """Noise is told exactly where it drowns the field, and not at all where it is lost in it."""
    unexplained = LINEAR.unexplained(BANDS.moments(X), S)
    assert float(unexplained[0]) < 0.01
    assert float(unexplained[-1]) > 0.99
    assert (unexplained.diff() > -1e-6).all()


def test_two_channels_help_each_other():
    """The second channel is the first one with little noise of its own: each tells of the other."""
    rng = np.random.default_rng(6)
    copy = TRAIN[:3000] + 0.05 * torch.from_numpy(rng.normal(size=TRAIN[:3000].shape))
    both = torch.cat([TRAIN[:3000], copy], 1)
    knots = torch.linspace(-6, 6, 16, dtype=torch.float64)
    pair = fit_linear(both, TRAIN_S[:3000], BASIS, knots)
    single = fit_linear(TRAIN[:3000], TRAIN_S[:3000], BASIS, knots)
    log_snr = torch.zeros(500, dtype=torch.float64)
    eps = torch.from_numpy(rng.normal(size=both[:500].shape))
    z = add_noise(both[:500], eps, log_snr)
    with_both = (eps - pair(z, log_snr, TRAIN_S[:500]))[:, :1].square().mean()
    alone = (eps[:, :1] - single(z[:, :1], log_snr, TRAIN_S[:500])).square().mean()
    assert float(with_both) < 0.9 * float(alone)
