import numpy as np
import pytest
import torch

from sbipipe.diffusion.chebyshev import Basis
from sbipipe.diffusion.tempering import strength


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_a_likelihood_that_is_too_sharp_is_softened_by_as_much(factor: float):
    """x = theta + noise, in two parameters; the log-likelihood times `factor` asks for 1/factor."""
    rng = np.random.default_rng(0)
    basis = Basis(2, 2)
    s = torch.from_numpy(rng.uniform(-1, 1, (3000, 2)))
    sd = 0.2
    x = s.numpy() + sd * rng.normal(size=(3000, 2))
    grid = torch.from_numpy(rng.uniform(-1, 1, (200, 2)))
    values = -0.5 * ((grid.numpy()[None] - x[:, None]) ** 2).sum(-1) / sd**2
    coefficients = factor * values @ np.linalg.pinv(basis(grid).numpy()).T
    assert strength(coefficients, basis, s) == pytest.approx(1 / factor, rel=0.06)
