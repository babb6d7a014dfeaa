"""Laws of the splines with their bins before their rows: those of zuko, up to rounding."""

import math

import pytest
import torch
from torch.autograd import gradcheck
from zuko.transforms import MonotonicRQSTransform

from sbipipe.learning.splines import BOUND, spline, undone

SLOPE = 1e-3


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.fixture(params=[((), 8), ((3,), 8), ((2, 3), 2)])
def given(request):
    """phi (..., 3 K - 1, D, N) of K bins, and places (..., D, N) inside and outside the bound."""
    several, bins = request.param
    phi = 2 * numbers(*several, 3 * bins - 1, 5, 7, seed=bins)
    phi[..., bins : 2 * bins, :, :] *= 2
    return phi, 4 * numbers(*several, 5, 7)


def as_zuko_does(phi):
    bins = (phi.shape[-3] + 1) // 3
    return MonotonicRQSTransform(*phi.movedim(-3, -1).split([bins, bins, bins - 1], -1))


def test_values_slopes_and_inverses_are_those_of_zuko(given):
    phi, x = given
    theirs = as_zuko_does(phi)
    for found, expected in zip(spline(phi, x, SLOPE), theirs.call_and_ladj(x), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(undone(phi, x, SLOPE), theirs.inv(x))


def test_derivatives_are_those_of_zuko(given):
    phi, x = (one.requires_grad_() for one in given)
    for weigh in (lambda y, log_slope: y.sin() + log_slope.cos(), lambda y, _: y):
        found, expected = (
            torch.autograd.grad(weigh(*values).sum(), (phi, x))
            for values in (spline(phi, x, SLOPE), as_zuko_does(phi).call_and_ladj(x))
        )
        torch.testing.assert_close(found, expected)


def test_derivatives_are_those_of_differences():
    phi, x = numbers(11, 2, 3), 1.5 * numbers(2, 3, seed=1)
    assert gradcheck(lambda *both: spline(*both, SLOPE), (phi.requires_grad_(), x.requires_grad_()))


def test_a_spline_undoes_its_inverse_and_its_slope_is_its_derivative(given):
    phi, x = given
    torch.testing.assert_close(spline(phi, undone(phi, x, SLOPE), SLOPE)[0], x, rtol=0, atol=1e-8)
    x = x.requires_grad_()
    y, log_slope = spline(phi, x, SLOPE)
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0].log(), log_slope)


def test_it_is_the_identity_from_the_bound_on():
    x = torch.tensor([[-BOUND, -math.nextafter(BOUND, 9), 7.0, BOUND]], dtype=torch.float64)
    y, log_slope = spline(numbers(23, 1, 4), x, SLOPE)
    torch.testing.assert_close(y, x, rtol=0, atol=0)
    assert not log_slope.any()
