"""The closed form on Gaussian fields whose power is known."""

import numpy as np
import pytest
import torch
from gaussian_model import fields_of, parameters, whitening
from scipy import stats
from torch import Tensor

from sbipipe.emulators.flow.whitening import FLOOR, Whitening, fit_whitening

SHAPES = [(2, 2), (6,), (4, 6), (4, 4, 4)]


@pytest.mark.parametrize("sides", SHAPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_normal_density_of_all_pixels(sides: tuple[int, ...], channels: int) -> None:
    """Mean and covariance are read off `colour`, which is linear in the noise."""
    model, s = whitening(sides, channels), parameters(3)
    y = fields_of(model, s)
    found = model.log_prob(model.bands.moments(y), s)
    each = model.log_prob_each(model.bands.moments(y), s)
    np.testing.assert_allclose(found.diagonal(), each, rtol=1e-10)
    size = y[0].numel()
    noise = torch.eye(size, dtype=torch.float64).view(size, *y.shape[1:])
    for i in range(3):
        at = s[i : i + 1]
        mean = model.colour(torch.zeros_like(y[:1]), at)
        responses = (model.colour(noise, at.expand(size, 2)) - mean).flatten(1)
        exact = stats.multivariate_normal(mean.flatten(), responses.T @ responses)
        np.testing.assert_allclose(found[:, i], exact.logpdf(y.flatten(1)), rtol=1e-8)


@pytest.mark.parametrize("sides", SHAPES)
def test_its_jacobian_is_the_log_determinant_it_states(sides: tuple[int, ...]) -> None:
    model, s = whitening(sides, 2), parameters(1)
    y = fields_of(model, s)
    jacobian = torch.func.jacrev(lambda v: model.whiten(v.view_as(y), s).flatten())(y.flatten())
    assert isinstance(jacobian, Tensor)
    np.testing.assert_allclose(torch.linalg.slogdet(jacobian)[1], model.log_det(s)[0], rtol=1e-10)


def test_it_integrates_to_one_over_two_by_two_pixels_of_any_parameters() -> None:
    """By Gauss-Hermite quadrature over the field of another model."""
    model, other, s = whitening((2, 2), 1), whitening((2, 2), 1, seed=5), parameters(1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(14)
    spread = 1.6
    grid = np.stack(np.meshgrid(*[nodes * spread] * 4, indexing="ij"), -1).reshape(-1, 4)
    share = np.stack(np.meshgrid(*[weights] * 4, indexing="ij"), -1).reshape(-1, 4).prod(1)
    share = share / (2 * np.pi) ** 2
    w = torch.from_numpy(grid).view(-1, 1, 2, 2)
    y = other.colour(w, s.expand(len(w), 2))
    log_prob = model.log_prob(model.bands.moments(y), s)[:, 0]
    log_ratio = log_prob - other.log_det(s) - stats.norm.logpdf(grid, scale=spread).sum(1)
    assert (share * np.exp(log_ratio.numpy())).sum() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(("sides", "channels"), [((8, 8), 1), ((16,), 2), ((4, 4, 4), 3)])
def test_whitening_is_undone(sides: tuple[int, ...], channels: int) -> None:
    model, s = whitening(sides, channels), parameters(4)
    w = torch.randn(4, channels, *sides, generator=torch.Generator().manual_seed(0)).double()
    np.testing.assert_allclose(model.whiten(model.colour(w, s), s), w, atol=1e-10)


@pytest.mark.parametrize(("sides", "channels"), [((8, 8), 1), ((8, 8), 2)])
def test_the_fit_finds_the_model_that_made_the_fields(sides: tuple[int, ...], channels: int):
    """The nats lost at held-out fields are half the number of coefficients over the number of
    fields (Wilks), within their scatter."""
    true, s, held_out = whitening(sides, channels), parameters(4000), parameters(4000, seed=3)
    found = fit_whitening(fields_of(true, s), s, degree=2)
    moments = true.bands.moments(fields_of(true, held_out, seed=4))
    lost = true.log_prob_each(moments, held_out) - found.log_prob_each(moments, held_out)
    means = true.pull[0, :, -1].numel()
    across = channels * (channels - 1) // 2 * len(true.bands) * len(true.basis)
    expected = (true.log_power.numel() + means + across) / 2 / 4000
    error = float(lost.std()) / 4000**0.5
    assert 0 < lost.mean() < expected + 4 * error


def test_a_likelier_model_is_not_beside_it() -> None:
    """Turns of the two convex problems end where no small change helps."""
    s = parameters(300)
    y = fields_of(whitening((4, 4), 2), s)
    found = fit_whitening(y, s, degree=2)
    moments = found.bands.moments(y)

    def total(log_power: Tensor, pull: Tensor) -> Tensor:
        model = Whitening(bands=found.bands, basis=found.basis, log_power=log_power, pull=pull)
        return model.log_prob_each(moments, s).mean()

    slopes = torch.func.grad(total, argnums=(0, 1))(found.log_power, found.pull)
    free = found.pull != 0
    assert slopes[0].abs().max() < 1e-4
    assert slopes[1][free].abs().max() < 1e-4


def test_a_mode_that_is_always_zero_has_no_say() -> None:
    """Fields with zero mean: its power is that of the floor, whatever theta."""
    s = parameters(500)
    y = fields_of(whitening((4, 4), 1), s)
    y = y - y.mean((1, 2, 3), keepdim=True)
    found = fit_whitening(y, s, degree=2)
    np.testing.assert_allclose(found.log_scale(s)[:, 0], np.log(FLOOR), atol=1e-3)
