"""Where searches begin: draws that are near the posterior, and the same for whoever asks."""

import numpy as np
import torch

from sbipipe.interfaces import Run
from sbipipe.learning.guide import DRAWS, fit_guide, restored
from sbipipe.learning.schedules import Annealed

ROWS = 2000


def rows(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """u from a normal, and x = u + noise of the same width, whose posterior is N(x / 2, 1 / 2)."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(ROWS, 2, generator=generator)
    return u, u + torch.randn(ROWS, 2, generator=generator)


def test_draws_are_near_the_posterior_whoever_is_asked_beside_it():
    guide, _ = fit_guide(rows(0), rows(1), Annealed(), Run(seed=3))
    x = torch.tensor([[0.0, 1.0], [-1.0, 2.0], [1.5, 0.0]])
    draws = guide.near(x)
    assert draws.shape == (DRAWS, 3, 2)
    np.testing.assert_allclose(draws.mean(0), x / 2, atol=0.3)
    np.testing.assert_allclose(draws.std(0), np.sqrt(0.5), rtol=0.3)
    np.testing.assert_allclose(guide.near(x[1:2]), draws[:, 1:2], atol=1e-5)


def test_a_guide_comes_back_from_its_arrays():
    guide, _ = fit_guide(rows(0), rows(1), Annealed(steps=5), Run(seed=3))
    other = restored(guide.arrays, torch.zeros(2, 2), torch.zeros(2, 2), "cpu")
    np.testing.assert_array_equal(guide.near(torch.ones(1, 2)), other.near(torch.ones(1, 2)))
