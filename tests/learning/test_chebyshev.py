import itertools

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev

from sbipipe.learning.chebyshev import Basis, nodes, unresolved


@pytest.mark.parametrize(("dimensions", "degree", "count"), [(1, 4, 5), (2, 4, 15), (3, 2, 10)])
def test_terms_are_products_of_chebyshev_polynomials(dimensions: int, degree: int, count: int):
    basis = Basis(dimensions, degree)
    s = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (7, dimensions)))
    assert len(basis) == count
    for value, powers in zip(basis(s).T, basis.exponents, strict=True):
        expected = np.ones(7)
        for axis, power in enumerate(powers):
            expected *= chebyshev.chebval(s[:, axis].numpy(), np.eye(degree + 1)[power])
        np.testing.assert_allclose(value, expected, atol=1e-12)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_forms_become_polynomials_of_twice_the_degree(dimensions: int):
    rng = np.random.default_rng(1)
    basis = Basis(dimensions, 3)
    form = torch.from_numpy(rng.normal(size=(4, len(basis), len(basis))))
    line = torch.from_numpy(rng.normal(size=(4, len(basis))))
    s = torch.from_numpy(rng.uniform(-1, 1, (4, dimensions)))
    terms = basis(s)
    expected = torch.einsum("ni,nij,nj->n", terms, form, terms) + (terms * line).sum(1)
    found = ((basis.of_form(form) + basis.of_line(line)) * basis.squared(s)).sum(1)
    torch.testing.assert_close(found, expected)


def test_gradients_are_those_of_autograd():
    basis = Basis(2, 5)
    s = torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, (5, 2))).requires_grad_()
    found = basis.gradient(s.detach())
    for term, axis in itertools.product(range(len(basis)), range(2)):
        (expected,) = torch.autograd.grad(basis(s)[:, term].sum(), s, allow_unused=True)
        wanted = torch.zeros(5).double() if expected is None else expected[:, axis]
        torch.testing.assert_close(found[:, term, axis], wanted)


def test_coordinates_come_back():
    s = torch.from_numpy(np.random.default_rng(3).uniform(-1, 1, (6, 3)))
    basis = Basis(3, 2)
    torch.testing.assert_close(basis.coordinates(basis(s)), s)


@pytest.mark.parametrize(("dimensions", "degree"), [(1, 8), (2, 8), (4, 3)])
def test_nodes_determine_a_polynomial(dimensions: int, degree: int):
    values = Basis(dimensions, degree)(nodes(dimensions, degree))
    assert torch.linalg.cond(values) < 50


def test_what_the_highest_terms_weigh_bounds_what_is_missing() -> None:
    """The log of a Gaussian is a quadratic, however narrow; 1 / (1 + 25 s^2) is no polynomial, and
    its series falls so slowly that the highest term weighs as much as the error."""
    s = torch.linspace(-1, 1, 400, dtype=torch.float64)[:, None]
    basis = Basis(1, 8)
    onto = torch.linalg.pinv(basis(s)).T
    quadratic = (-0.5 * (s[:, 0] - 0.3) ** 2 / 0.01**2)[None]
    bump = 100 / (1 + 25 * s.T**2)
    found = unresolved(torch.cat([quadratic, bump]).numpy() @ onto.numpy(), basis)
    assert found[0] < 1e-6
    assert found[1] > 3
