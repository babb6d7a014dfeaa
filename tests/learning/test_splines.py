"""Laws of the splines with their bins first: those of zuko, up to rounding."""

import pytest
import torch
from zuko.transforms import MonotonicRQSTransform

from sbipipe.learning.densities import build_density
from sbipipe.learning.splines import Spline, with_bins_first


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.fixture(params=[(7, 5), (3, 7, 5)])
def splines(request):
    """Ours and zuko's from the same numbers, and places inside and outside the bound."""
    given = [2 * numbers(*request.param, bins, seed=bins) for bins in (8, 8, 7)]
    given[1] *= 2
    return Spline(*given), MonotonicRQSTransform(*given), 4 * numbers(*request.param)


def test_values_slopes_and_inverses_are_those_of_zuko(splines):
    ours, theirs, x = splines
    for found, expected in zip(ours.call_and_ladj(x), theirs.call_and_ladj(x), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours.inv(x), theirs.inv(x))


def test_a_spline_undoes_its_inverse_and_its_slope_is_its_derivative(splines):
    ours, _, x = splines
    torch.testing.assert_close(ours(ours.inv(x)), x, rtol=0, atol=1e-8)
    x = x.requires_grad_()
    y, slope = ours.call_and_ladj(x)
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0].log(), slope)


def test_one_row_of_numbers_serves_many_places():
    given = [numbers(5, bins) for bins in (8, 8, 7)]
    x = 4 * numbers(100, 5)
    many = Spline(*(part.expand(100, -1, -1) for part in given))
    torch.testing.assert_close(Spline(*given)(x), many(x))


def test_the_splines_of_a_flow_are_these_and_those_of_others_stay():
    rows = torch.randn(10, 3)
    built = {
        name: build_density(density=name, hidden=4, transforms=1, inputs=rows, conditions=rows)
        for name in ("zuko_nsf", "zuko_maf")
    }
    kinds = {
        name: {getattr(m.univariate, "func", m.univariate) for m in net.modules() if _univariate(m)}
        for name, net in built.items()
    }
    assert kinds["zuko_nsf"] == {Spline}
    assert Spline not in kinds["zuko_maf"]
    assert with_bins_first(built["zuko_nsf"]) is built["zuko_nsf"]


def _univariate(module):
    return hasattr(module, "univariate")
