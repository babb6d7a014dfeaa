r"""What a diffusion model is made of: fields, noise, and a guess of the noise.

At the log signal-to-noise ratio lambda a field x becomes

    z = alpha x + sigma eps,    alpha^2 = 1 / (1 + exp(-lambda)),    sigma^2 = 1 - alpha^2,

with white noise eps of unit variance (the variance-preserving process; Kingma et al. 2021,
arXiv 2107.00630). A denoiser guesses eps from z, lambda and the parameters. The best guess is the
mean of eps given z, and then (x - sigma eps_hat) / alpha is the mean of x, and -eps_hat / sigma the
score of z.

Parameters enter as s = 2 F(theta) - 1, each on [-1, 1], where F is the prior's cumulative
distribution.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Denoiser(Protocol):
    """Guesses the noise."""

    def __call__(self, z: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
        """eps_hat with the shape of z, (n, C, *space), for lambda (n,) and parameters (n, D)."""


class Amplitudes(NamedTuple):
    """Of the field and of the noise, shaped to multiply fields (n, C, *space)."""

    alpha: Tensor
    sigma: Tensor


def amplitudes(log_snr: Tensor, like: Tensor) -> Amplitudes:
    """alpha and sigma at lambda (n,), for fields like these."""
    wide = log_snr.view(-1, *(1,) * (like.ndim - 1))
    return Amplitudes(torch.sigmoid(wide).sqrt(), torch.sigmoid(-wide).sqrt())


def add_noise(x: Tensor, eps: Tensor, log_snr: Tensor) -> Tensor:
    """z at lambda (n,)."""
    alpha, sigma = amplitudes(log_snr, x)
    return alpha * x + sigma * eps


__all__ = ["Amplitudes", "Denoiser", "add_noise", "amplitudes"]
