import numpy as np
import pytest
import torch

from sbipipe.diffusion.chebyshev import Basis
from sbipipe.diffusion.tempering import coverage, likelihoods, strength


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_a_likelihood_that_is_too_sharp_is_softened_by_as_much(factor: float):
    """x = theta + noise, in two parameters; the log-likelihood times `factor` asks for 1/factor.

    Without it, away from the prior's edge, the 68 % regions are disks that hold 1 - 0.32^(1/factor)
    of the truths.
    """
    rng = np.random.default_rng(0)
    basis = Basis(2, 2)
    s = torch.from_numpy(rng.uniform(-1, 1, (3000, 2)))
    sd = 0.2
    x = s.numpy() + sd * rng.normal(size=(3000, 2))
    grid = torch.from_numpy(rng.uniform(-1, 1, (200, 2)))
    values = -0.5 * ((grid.numpy()[None] - x[:, None]) ** 2).sum(-1) / sd**2
    coefficients = factor * values @ np.linalg.pinv(basis(grid).numpy()).T
    everywhere, truth = likelihoods(coefficients, basis, s)
    found = strength(everywhere, truth)
    assert found == pytest.approx(1 / factor, rel=0.06)

    error = np.sqrt(0.68 * 0.32 / len(s))
    assert coverage(everywhere, truth, found, 0.68) == pytest.approx(0.68, abs=3 * error)
    inner = (s.abs() < 0.5).all(1).numpy()
    held = 1 - 0.32 ** (1 / factor)
    error = np.sqrt(held * (1 - held) / inner.sum())
    without = coverage(everywhere[inner], truth[inner], 1.0, 0.68)
    assert without == pytest.approx(held, abs=3 * error)
