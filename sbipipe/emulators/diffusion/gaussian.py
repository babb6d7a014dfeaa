r"""The exact denoiser of Gaussian fields, against which everything else is measured.

For a stationary Gaussian field with mean m and covariance eigenvalues lambda_k on its Fourier
modes, z is Gaussian as well, and the mean of the noise given z is Wiener's filter, mode by mode,

    eps_hat_k = sigma (z_k - alpha m_k) / (alpha^2 lambda_k + sigma^2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sbipipe.emulators.diffusion.denoiser import amplitudes


@dataclass(frozen=True, kw_only=True)
class GaussianDenoiser:
    """Wiener's filter.

    Attributes:
        eigenvalues: Parameters (n, D) to the eigenvalues (n, *space) of the covariance of one
            channel, in the order of `torch.fft.fftn`.
        mean: Parameters (n, D) to the mean (n,); None for zero.
    """

    eigenvalues: Callable[[Tensor], Tensor]
    mean: Callable[[Tensor], Tensor] | None = None

    def __call__(self, z: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
        """eps_hat, (n, 1, *space)."""
        alpha, sigma = amplitudes(log_snr, z)
        if self.mean is not None:
            z = z - alpha * self.mean(s).view(alpha.shape)
        gain = sigma / (alpha**2 * self.eigenvalues(s)[:, None] + sigma**2)
        space = tuple(range(2, z.ndim))
        guess: Tensor = torch.fft.ifftn(gain * torch.fft.fftn(z, dim=space), dim=space).real
        return guess


__all__ = ["GaussianDenoiser"]
