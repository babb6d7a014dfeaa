r"""From noise to fields.

With x_hat and eps_hat the guesses at z and lambda, and h half a step in lambda, the three ways
from one level to the next differ in little (primes are at the next level, x_before is x_hat one
level earlier, and w fresh noise):

    ddim       z' = alpha' x_hat + sigma' eps_hat
    dpm        z' = alpha' (x_hat + (1 - e^-h) (x_hat - x_before) / 2) + sigma' eps_hat
    ancestral  z' = alpha' x_hat + sigma' (e^-h eps_hat + sqrt(1 - e^-2h) w)

The first two solve the probability flow (Song et al. 2021, arXiv 2011.13456), an ordinary
differential equation: `ddim` (Song, Meng & Ermon 2021, arXiv 2010.02502) to first order, `dpm` to
second order. The latter is DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2) for
equal steps in lambda; its half log signal-to-noise is lambda / 2. `ancestral` draws z' from its
distribution given z and x = x_hat (Ho et al. 2020, arXiv 2006.11239), and its variances approach
the right ones to first order.

Equal steps in lambda suit fields with a broad spectrum: a mode with variance v is formed around
lambda = -log v, whichever v.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from sbipipe.config import plugin
from sbipipe.diffusion.denoiser import Denoiser, amplitudes


@plugin
class Sampler:
    """How fields are drawn.

    Attributes:
        kind: "dpm" and "ddim" make a field of every noise; "ancestral" adds noise on the way.
        steps: Passes of the denoiser, at levels with equal distances; the last is at the highest.
    """

    kind: Literal["dpm", "ddim", "ancestral"] = "dpm"
    steps: Annotated[int, Field(ge=2)] = 30

    @torch.no_grad()
    def sample(
        self,
        denoiser: Denoiser,
        noise: Tensor,
        s: Tensor,
        log_snr_range: tuple[float, float],
        generator: torch.Generator | None = None,
        shared: bool = False,
    ) -> Tensor:
        """Fields (n, C, *space): the mean of x given z at the highest lambda.

        Args:
            noise: White, of unit variance, with shape (n, C, *space): z at the lowest lambda.
            s: Parameters (n, D).
            log_snr_range: Lowest and highest lambda.
            generator: Of the noise that "ancestral" adds; None for torch's own.
            shared: Whether that noise is one for all fields.
        """
        low, high = log_snr_range
        levels = torch.linspace(low, high, self.steps, dtype=noise.dtype, device=noise.device)
        decay = math.exp((low - high) / (2 * (self.steps - 1)))
        x, eps = _guess(denoiser, noise, levels[0], s)
        before = x
        for level in levels[1:]:
            if self.kind == "dpm":
                x, before = x + (1 - decay) * (x - before) / 2, x
            elif self.kind == "ancestral":
                shape = (1 if shared else len(x), *x.shape[1:])
                w = torch.randn(shape, generator=generator, dtype=x.dtype).to(x.device)
                eps = decay * eps + math.sqrt(1 - decay**2) * w
            alpha, sigma = amplitudes(level, x)
            x, eps = _guess(denoiser, alpha * x + sigma * eps, level, s)
        return x


def _guess(denoiser: Denoiser, z: Tensor, level: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """x_hat and eps_hat at one level, with shape ()."""
    eps = denoiser(z, level.expand(len(z)), s).to(z.dtype)
    alpha, sigma = amplitudes(level, z)
    return (z - sigma * eps) / alpha, eps


__all__ = ["Sampler"]
