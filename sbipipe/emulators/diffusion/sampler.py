r"""From noise to fields.

With x and eps the guesses at z and lambda, x_before that of x one level earlier, h half a step in
lambda and w fresh noise, one step leads to the next level (primes) by

    z' = alpha' (x + c (1 - e^-(1+k)h) (x - x_before)) + sigma' (e^-kh eps + sqrt(1 - e^-2kh) w)

               k = 0, the probability flow      k = 1, the reverse diffusion
    c = 0      ddim                             ancestral
    c ~ 1/2    dpm                              sde

The flow (Song et al. 2021, arXiv 2011.13456) makes one field of every noise. The diffusion draws z'
given z anew at every level, so it forgets what the guesses before got wrong (Karras et al. 2022,
arXiv 2206.00364, section 4), which the flow carries along. The first order in h is Song, Meng &
Ermon 2021 (arXiv 2010.02502) and Ho et al. 2020 (arXiv 2006.11239); with c = 1/2 the second is
DPM-Solver++(2M) and its SDE (Lu et al. 2022, arXiv 2211.01095; its half log signal-to-noise is
lambda / 2).

**The power of the fields.** With c = 1/2, 30 steps give each mode of a Gaussian field 2 % (dpm) or
5 % (sde) too much variance. It is the same for all: steps are equal in lambda, and a mode with
variance v is formed around lambda = -log v, whichever v. So one number mends it, and c is the one
with which a mode with v = 1 comes out as it should, 1/2 - O(h), so the order stays. Of such a mode
z and x_before are linear in the noise, and their covariance is followed from step to step.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from scipy import optimize, special
from torch import Tensor

from sbipipe.emulators.diffusion.denoiser import Denoiser, amplitudes
from sbipipe.records import plugin


@plugin
class Sampler:
    """How fields are drawn.

    Attributes:
        kind: "ddim" and "dpm" make one field of every noise; "ancestral" and "sde" add noise on the
            way. "dpm" and "sde" are of second order.
        steps: Passes of the denoiser, at levels with equal distances; the last is at the highest.
    """

    kind: Literal["sde", "dpm", "ddim", "ancestral"] = "sde"
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
            generator: Of the noise added on the way; None for torch's own.
            shared: Whether that noise is one for all fields.
        """
        low, high = log_snr_range
        levels = torch.linspace(low, high, self.steps, dtype=noise.dtype, device=noise.device)
        k = int(self.kind in ("ancestral", "sde"))
        second = self.kind in ("dpm", "sde")
        c = look_ahead(low, high, self.steps, k) if second else 0.0
        decay = math.exp((low - high) / (2 * (self.steps - 1)))
        x, eps = _guess(denoiser, noise, levels[0], s)
        before = x
        for level in levels[1:]:
            x, before = x + c * (1 - decay ** (1 + k)) * (x - before), x
            if k:
                shape = (1 if shared else len(x), *x.shape[1:])
                w = torch.randn(shape, generator=generator, dtype=x.dtype).to(x.device)
                eps = decay * eps + math.sqrt(1 - decay**2) * w
            alpha, sigma = amplitudes(level, x)
            x, eps = _guess(denoiser, alpha * x + sigma * eps, level, s)
        return x


@cache
def look_ahead(low: float, high: float, steps: int, k: int) -> float:
    """c, between 0 and 1, for so many steps from one lambda to another."""
    found = optimize.minimize_scalar(
        lambda c: math.log(_variance(c, low, high, steps, k)) ** 2,
        bounds=(0, 1),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x)


def _variance(c: float, low: float, high: float, steps: int, k: int) -> float:
    """What a mode of a Gaussian field comes out with, where it should be 1.

    Its x is alpha z, and its eps is sigma z; followed is the covariance of z and x_before.
    """
    levels = np.linspace(low, high, steps)
    alphas, sigmas = np.sqrt(special.expit(levels)), np.sqrt(special.expit(-levels))
    decay = math.exp((low - high) / (2 * (steps - 1)))
    covariance = np.array([[1.0, alphas[0]], [alphas[0], alphas[0] ** 2]])
    for (alpha, after), (sigma, sigma_after) in zip(
        pairwise(alphas), pairwise(sigmas), strict=True
    ):
        ahead = c * (1 - decay ** (1 + k))
        slope = after * (1 + ahead) * alpha + sigma_after * decay**k * sigma
        step = np.array([[slope, -after * ahead], [alpha, 0.0]])
        covariance = step @ covariance @ step.T
        covariance[0, 0] += sigma_after**2 * (1 - decay ** (2 * k))
    return float(alphas[-1] ** 2 * covariance[0, 0])


def _guess(denoiser: Denoiser, z: Tensor, level: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """x_hat and eps_hat at one level, with shape ()."""
    eps = denoiser(z, level.expand(len(z)), s).to(z.dtype)
    alpha, sigma = amplitudes(level, z)
    return (z - sigma * eps) / alpha, eps


__all__ = ["Sampler", "look_ahead"]
