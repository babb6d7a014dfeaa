"""Gaussian fields on a small grid whose power depends on two parameters, and their likelihood."""

import numpy as np
import torch
from torch import Tensor

SIDE = 12


def eigenvalues(s: Tensor) -> Tensor:
    """Of the covariance, (n, 2) on [-1, 1]^2 -> (n, SIDE, SIDE): amplitude and slope."""
    k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIDE, 1 / SIDE)] * 2, indexing="ij"))
    log_k = torch.from_numpy(np.log(np.maximum(k, 1.0)))
    return torch.exp(0.4 * s[:, 0, None, None] - (1.5 + 0.3 * s[:, 1, None, None]) * log_k + 1)


def draw(s: Tensor, seed: int) -> Tensor:
    """Fields (n, 1, SIDE, SIDE) in float64."""
    noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((len(s), SIDE, SIDE)))
    return torch.fft.ifft2(torch.fft.fft2(noise) * eigenvalues(s).sqrt()).real[:, None]


def negative_log_likelihood(x: Tensor, s: Tensor) -> Tensor:
    """-log p(x | s) in nats, (n, 1, SIDE, SIDE), (n, 2) -> (n,)."""
    power = torch.fft.fft2(x[:, 0], norm="ortho").abs() ** 2
    values = eigenvalues(s)
    terms = torch.log(2 * torch.pi * values) + power / values
    return terms.flatten(1).sum(1) / 2


def parameters(n: int, seed: int) -> Tensor:
    """Uniform on [-1, 1]^2."""
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (n, 2)))
