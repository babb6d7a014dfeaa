"""Chains on a shape that no Gaussian covers."""

import numpy as np
from linear_posteriors import check_moments, rng

from sbipipe.sampling.chains import evidence, run, walkers
from sbipipe.sampling.mixture import log_normal

BEND, WIDTH = 0.8, 0.1


def straightened(u: np.ndarray) -> np.ndarray:
    """A banana's points (..., 4) as standard normal ones."""
    bent = u[..., 1] - BEND * (u[..., 0] ** 2 - 1)
    return np.stack([u[..., 0], bent / WIDTH, *np.moveaxis(u[..., 2:], -1, 0)], -1)


def banana(u: np.ndarray) -> np.ndarray:
    """Normalised log density of points (..., 4), with shape (...)."""
    return log_normal(straightened(u)) - np.log(WIDTH)


def test_a_banana_keeps_its_shape_and_integrates_to_one():
    chains = run(banana, rng().standard_normal((walkers(3), 3, 4)), rng(1))
    z = straightened(np.stack([chain.u for chain in chains], 1))
    check_moments(z, np.array([chain.effective_size for chain in chains]))
    log_evidence = [evidence(banana, chain, rng(2)) for chain in chains]
    np.testing.assert_allclose(log_evidence, 0, atol=0.08)


def test_few_observations_have_many_walkers_and_all_have_two_halves():
    numbers = [walkers(b) for b in range(1, 65)]
    assert numbers == sorted(numbers, reverse=True)
    assert (numbers[0], numbers[-1]) == (1024, 128)
    assert not any(n % 2 for n in numbers)
