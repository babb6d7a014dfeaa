r"""The variational bound, term by term.

On a chain of levels lambda_1 > ... > lambda_T with z_t at lambda_t, in nats,

    -log p(x | theta) <= L_0 + sum_{t=1}^{T-1} L_t + L_T,
    L_0 = |eps - eps_hat(z_1)|^2 / 2 + (N / 2) (log 2 pi - lambda_1),
    L_t = expm1(lambda_t - lambda_{t+1}) |eps - eps_hat(z_{t+1})|^2 / 2,
    L_T = KL(q(z_T | x) || N(0, 1)) = (alpha^2 |x|^2 + N (sigma^2 - 1 - log sigma^2)) / 2

for N pixels and a Gaussian decoder of variance exp(-lambda_1) about the denoised field (Kingma et
al. 2021, arXiv 2107.00630, equations 11 to 15 and 41; Ho et al. 2020). With more levels the sum
over t tends to the integral of |eps - eps_hat|^2 / 2 over lambda, from above, and for the exact
denoiser to -log p itself. The expectations over eps are means over `draws`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sbipipe.emulators.diffusion.denoiser import Denoiser, add_noise


class Bound(NamedTuple):
    """The terms of a bound on -log p for n fields, in nats.

    Attributes:
        reconstruction: L_0, with shape (n,).
        levels: L_1 to L_{T-1}, with shape (T - 1, n).
        prior: L_T, with shape (n,).
        standard_error: Of their sum, from the scatter of the draws, with shape (n,).
    """

    reconstruction: Tensor
    levels: Tensor
    prior: Tensor
    standard_error: Tensor

    @property
    def total(self) -> Tensor:
        return self.reconstruction + self.levels.sum(0) + self.prior


@torch.no_grad()
def bound(
    denoiser: Denoiser, x: Tensor, s: Tensor, log_snr: Tensor, generator: torch.Generator,
    draws: int = 2,
) -> Bound:  # fmt: skip
    """The bound of fields x (n, C, *space) at parameters s (n, D).

    Args:
        log_snr: Levels of the chain, falling, with shape (T,).
        draws: Of the noise, at least 2.
    """
    pixels = x[0].numel()
    gaps = torch.expm1(log_snr[:-1] - log_snr[1:])
    weights = torch.cat([torch.ones(1, dtype=gaps.dtype), gaps]) / 2
    terms = torch.zeros(draws, len(log_snr), len(x), dtype=torch.float64)
    for draw in range(draws):
        for t, level in enumerate(log_snr):
            levels = level.to(x.dtype).expand(len(x))
            eps = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            missed = eps - denoiser(add_noise(x, eps, levels), levels, s)
            terms[draw, t] = weights[t] * missed.flatten(1).double().square().sum(1)
    terms[:, 0] += pixels / 2 * (torch.log(torch.tensor(2 * torch.pi)) - log_snr[0])
    mean = terms.mean(0)
    spread = terms.sum(1).std(0) / draws**0.5
    return Bound(mean[0], mean[1:], prior_term(x, log_snr[-1]), spread)


def prior_term(x: Tensor, log_snr: Tensor) -> Tensor:
    """L_T of fields x (n, C, *space) whose last level is lambda, with shape (n,)."""
    alpha2, sigma2 = torch.sigmoid(log_snr.double()), torch.sigmoid(-log_snr.double())
    power = x.double().square().flatten(1).sum(1)
    return (alpha2 * power + x[0].numel() * (sigma2 - 1 - torch.log(sigma2))) / 2


__all__ = ["Bound", "bound", "prior_term"]
