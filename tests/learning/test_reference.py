"""The mixture near the posterior: its draws follow its density, whatever the flow is."""

import math

import numpy as np
import pytest
import torch

from sbipipe.learning.reference import Reference, flow, flows_of

torch.manual_seed(2)
U, X = torch.randn(40, 1), torch.randn(40, 3)


def make(contrasts: int) -> Reference:
    return Reference([flow(U, X) for _ in range(flows_of(contrasts))], contrasts).eval()


@pytest.mark.parametrize(("contrasts", "near"), [(2, 1), (3, 2), (4, 3), (6, 5), (8, 6)])
def test_each_density_gives_its_share(contrasts: int, near: int):
    reference = make(contrasts)
    assert float(reference.shares.sum()) == pytest.approx(near / contrasts)
    noise = torch.randn(contrasts, 40, 1)
    draws = reference.draws(noise, X)
    torch.testing.assert_close(draws[near:], noise[near:])


def test_the_mixture_integrates_to_one_and_draws_follow_it():
    reference = make(4)
    grid = torch.linspace(-12, 12, 20_001)
    _, ratio = reference.coordinates(grid[:, None, None].expand(-1, 2, 1), X[:2])
    normal = -0.5 * (grid.double().square() + math.log(2 * math.pi))
    density = torch.exp(ratio + normal[:, None])
    cells = density * float(grid[1] - grid[0])
    np.testing.assert_allclose(cells.sum(0), 1, atol=2e-3)
    draws = reference.draws(torch.randn(40_000, 2, 1), X[:2])[..., 0].double()
    mean = (grid.double()[:, None] * cells).sum(0)
    spread = ((grid.double()[:, None] - mean).square() * cells).sum(0).sqrt()
    np.testing.assert_allclose(draws.mean(0), mean, atol=5 * spread.max() / 200)
    np.testing.assert_allclose(draws.std(0), spread, rtol=0.05)


def test_a_row_has_its_draws_wherever_it_lies():
    reference = make(4)
    noise = torch.randn(8, 1, 1)
    every = reference.draws(noise.expand(-1, 40, -1), X)
    alone = reference.draws(noise, X[7:8])
    torch.testing.assert_close(every[:, 7:8], alone, rtol=1e-4, atol=1e-5)
