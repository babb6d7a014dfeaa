"""Linear Gaussian posteriors, whose draws and evidence are known in closed form."""

import numpy as np
from scipy import stats

from closed_form import exact_posterior
from sbipipe.simulators.linear_gaussian import LinearGaussian


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def gaussian(dims: int, noise: float, observations: int) -> tuple[LinearGaussian, np.ndarray]:
    """A linear simulator, and data from it."""
    simulator = LinearGaussian(dimension=dims, observations=2 * dims, noise=noise)
    return simulator, simulator.simulate(simulator.prior.sample(observations, rng()), rng(1))


def log_evidence(simulator: LinearGaussian, x: np.ndarray) -> np.ndarray:
    """x is normal: its density needs no posterior."""
    A = simulator.design
    covariance = A @ A.T * simulator.prior_scale**2 + simulator.noise**2 * np.eye(len(A))
    return stats.multivariate_normal(np.zeros(len(A)), covariance).logpdf(x)


def whitened(simulator: LinearGaussian, x: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Draws that should be standard normal."""
    mean, covariance = exact_posterior(simulator, x)
    return np.einsum("ij,nbj->nbi", np.linalg.inv(np.linalg.cholesky(covariance)), draws - mean)


def check_moments(z: np.ndarray, size: np.ndarray) -> None:
    """Mean and covariance of (n, B, D) within five standard errors, all observations pooled."""
    total = size.sum()
    assert np.abs(z.mean((0, 1))).max() < 5 / np.sqrt(total)
    covariance = np.einsum("nbi,nbj->ij", z, z) / np.prod(z.shape[:2])
    assert np.abs(covariance - np.eye(z.shape[-1])).max() < 5 * np.sqrt(2 / total)
    chi2 = (z.mean(0) ** 2 * size[:, None]).sum()
    assert stats.chi2(z[0].size).sf(chi2) > 1e-4
