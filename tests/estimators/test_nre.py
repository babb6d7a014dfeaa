from typing import Any

import numpy as np
import pytest
import torch

from linear_problem import OPTIMISATION, SIMULATOR, SMALL, TEST, check_draws, fit, kl_from_exact
from rows import rows_of
from sbipipe.estimators.nre import Nre, _NrePosterior
from sbipipe.interfaces import Run
from sbipipe.learning.compression import Itself
from sbipipe.priors.prior import uniform_prior
from sbipipe.records import InputError, parse


def test_learns_the_exact_posterior():
    posterior = fit(parse(Nre, {**SMALL, "classifier": "resnet"}, "nre")).at(TEST.x)
    assert kl_from_exact(posterior, TEST.x) < 0.05
    check_draws(posterior, TEST.x, tolerance=0.15)


def test_members_of_an_ensemble_count_equally_whatever_their_constants():
    """Adding a constant to one member's output changes no posterior."""
    short = OPTIMISATION | {"steps": 40}
    estimator = parse(
        Nre, {"classifier": "resnet", "hidden": 8, "ensemble": 2, "optimisation": short}, "nre"
    )
    posterior = fit(estimator)
    arrays = dict(posterior.weights.arrays)
    arrays["member1/net.net.final_layer.bias"] = arrays["member1/net.net.final_layer.bias"] + 3
    weights = type(posterior.weights)(arrays=arrays, meta=posterior.weights.meta)
    shifted = estimator.restore(weights, SIMULATOR.prior)
    theta = TEST.theta[None]
    np.testing.assert_allclose(
        shifted.at(TEST.x).log_prob(theta), posterior.at(TEST.x).log_prob(theta), atol=1e-3
    )


WIDTH = 0.03


class Near:
    """A reference twice as wide as the posterior, in the unit cube."""

    contrasts = 4

    def draws(self, noise: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.special.ndtri((x + 2 * WIDTH * noise).double().clip(1e-9, 1 - 1e-9))

    def coordinates(self, u: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return u.double(), gaussian(u, x, 0.0, 2 * WIDTH) - x.shape[1] * np.log(
            2 * WIDTH * np.sqrt(2 * np.pi)
        )


class Narrow:
    """A member whose ratio to the reference makes a Gaussian, `shift` widths off."""

    def __init__(self, shift: float) -> None:
        self.shift = shift

    def log_ratio(self, u: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return gaussian(u, x, self.shift * WIDTH, WIDTH) - Near().coordinates(u, x)[1]


def gaussian(u: torch.Tensor, x: torch.Tensor, shift: float, width: float) -> torch.Tensor:
    """Up to its constant, of the unit cube."""
    q = torch.special.ndtr(u.double())
    return -0.5 * ((q - x.double() - shift) ** 2).sum(-1) / width**2


def test_members_count_equally_however_narrow_they_are():
    """Of three parameters, 0.03 of the prior wide: log Z is 3 log(0.03 sqrt(2 pi))."""
    prior = uniform_prior(a=(0, 1), b=(0, 1), c=(0, 1))
    members: tuple[Any, ...] = tuple(Narrow(shift) for shift in (-1.0, 0.0, 1.0))
    reference: Any = Near()
    posterior = _NrePosterior(
        prior=prior, references=(reference,), members=members, short=Itself(), meta={}
    )
    x = np.random.default_rng(0).uniform(0.2, 0.8, (8, 3))
    log_z = posterior.digest(x)[:, 3:]
    np.testing.assert_allclose(log_z, 3 * np.log(WIDTH * np.sqrt(2 * np.pi)), atol=0.15)
    weights = np.exp(-log_z) / np.exp(-log_z).sum(1, keepdims=True)
    assert weights.max() < 0.37


def test_draws_that_it_proposes_have_the_density_that_it_says():
    """Which is one in all, and gives draws of the prior the moments of those that it proposes."""
    posterior: Any = fit(parse(Nre, Nre.quick(), "nre"))
    digest, n = posterior.digest(TEST.x[:3]), 40_000
    proposed = posterior.propose(n, digest, np.random.default_rng(0))
    u = np.random.default_rng(1).standard_normal(proposed.shape)
    theta = SIMULATOR.prior.from_unbounded(u)
    ratio, log_weight = posterior.log_ratios(theta, digest)
    np.testing.assert_array_equal(ratio, posterior.log_ratio(theta, digest))
    weight = np.exp(log_weight)
    error = 5 * weight.std(0) / np.sqrt(n)
    assert (np.abs(weight.mean(0) - 1) < error).all()
    for moment in (u, u**2):
        expected, other = moment * weight[..., None], proposed if moment is u else proposed**2
        spread = np.sqrt((expected.var(0) + other.var(0)) / n)
        assert (np.abs(expected.mean(0) - other.mean(0)) < 5 * spread).all()


def test_fields_are_an_error():
    data = rows_of(theta=TEST.theta[:5], x=np.zeros((5, 1, 8, 8)), group=np.arange(5))
    with pytest.raises(InputError, match=r"given fields with shape \(1, 8, 8\)"):
        Nre().fit(data, data, SIMULATOR.prior, Run(seed=0))
