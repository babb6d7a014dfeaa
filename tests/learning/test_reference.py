"""The mixture near the posterior: its draws follow its density, whatever the flow is, and no flow
learns from its own fold."""

import math

import numpy as np
import pytest
import torch

from sbipipe.interfaces import Run
from sbipipe.learning.reference import FOLDS, Reference, fit_references, folds_of, new_flow
from sbipipe.learning.schedules import Annealed

torch.manual_seed(2)
U, X = torch.randn(40, 1), torch.randn(40, 3)


def make(contrasts: int) -> Reference:
    return Reference(new_flow(U, X), contrasts).eval()


@pytest.mark.parametrize(("contrasts", "near"), [(2, 1), (3, 2), (4, 3), (6, 5), (8, 6)])
def test_each_density_gives_its_share(contrasts: int, near: int):
    reference = make(contrasts)
    assert reference.from_flow == near
    noise = torch.randn(contrasts, 40, 1)
    draws = reference.draws(noise, X)
    torch.testing.assert_close(draws[near:], noise[near:])
    torch.testing.assert_close(draws[:near], reference.flow_draws(noise[:near], X))


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


def test_folds_are_of_simulations_and_of_equal_size():
    group = np.random.default_rng(0).permutation(np.repeat(np.arange(100, 160), 5))
    fold = folds_of(group, seed=3)
    assert all(len(set(fold[group == one].tolist())) == 1 for one in np.unique(group))
    assert torch.bincount(fold).tolist() == [100] * FOLDS
    assert (fold != folds_of(group, seed=4)).any()


def test_a_flow_learns_nothing_from_its_own_fold():
    """What those rows are changes no weight of it, and the weights of the others."""
    fold = torch.arange(40) % FOLDS
    settings = Annealed(steps=4, batch=16)

    def weights(u: torch.Tensor) -> list[torch.Tensor]:
        made, _ = fit_references((u, X), fold, (U, X), 4, settings, Run(seed=0))
        return [
            one.flow.net.state_dict()["net.transform.transforms.0.hyper.0.weight"] for one in made
        ]

    other = U.clone()
    other[fold == 1] = other[fold == 1].roll(1, 0)  # of the same mean and width
    same = [torch.equal(a, b) for a, b in zip(weights(U), weights(other), strict=True)]
    assert same == [False, True, False]
