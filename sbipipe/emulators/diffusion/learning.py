r"""How the network is trained, and which of its checkpoints is kept.

**Loss.** |eps - eps_hat|^2 per pixel, at levels drawn evenly over the density of the schedule, on
fields under random symmetries of their grid.

**Score.** That loss is an average over levels in which what a spectrum shows at a glance hardly
counts. So each checkpoint draws fields at the theta of held-out simulations, from the same noise
every time, and its score is how far their mean power is from that of the true ones: the rms over
theta and wavenumber, in standard errors (`spectra.rms_z`), about 1 for a perfect emulator of
independent fields. Mudur et al. 2023 choose by the reduced chi-squared, which has one side only:
fields of too little power do better than the truth.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sbipipe.emulation.chi_squared import FEWEST
from sbipipe.emulation.spectra import rms_z
from sbipipe.emulation.true_fields import held_out
from sbipipe.emulators.diffusion.denoiser import add_noise
from sbipipe.emulators.diffusion.linear import Model
from sbipipe.emulators.diffusion.sampler import Sampler
from sbipipe.emulators.diffusion.schedule import Density
from sbipipe.emulators.diffusion.surface import CHUNK
from sbipipe.interfaces import Dataset, History, Run
from sbipipe.learning.chebyshev import scaled
from sbipipe.learning.networks import augmented
from sbipipe.learning.schedules import Cosine
from sbipipe.learning.training import Rows, Score, optimise
from sbipipe.protocols import Prior
from sbipipe.seeds import number, stream

WORST = 1e6
"""The score of a checkpoint that draws a field that is not finite."""


def learn(
    model: Model, density: Density, train: Rows, valid: Rows, settings: Cosine, run: Run,
    label: str, score: Score | None = None, keep: bool = False,
) -> History:  # fmt: skip
    """Train `model` in place.

    Args:
        train, valid: Fields (N, C, *space) and polynomials T(s) (N, M).
        label, score, keep: Of `training.optimise`.
    """
    loss = partial(noise_loss, model, density)
    augment = partial(augmented, model.linear.bands.periodic)
    return optimise(model, loss, train, valid, settings, run, label, augment, score, keep)


def spectral_score(
    model: Model, valid: Dataset, prior: Prior, sampler: Sampler, run: Run
) -> Score | None:
    """The score of `model` as it stands; None where simulations have too few fields for one.

    Args:
        valid: Fields as the network sees them.
    """
    theta, true = held_out(valid, prior, stream(run.seed, "score", "held out"))
    count = true.shape[1]
    if count < FEWEST:
        return None
    s = scaled(prior.to_unit(np.repeat(theta, count, 0))).to(run.device)
    generator = torch.Generator().manual_seed(number(run.seed, "score", "noise"))
    noise = torch.randn(len(s), *true.shape[2:], generator=generator).to(run.device)
    seed = number(run.seed, "score", "noise on the way")

    def score() -> float:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.cat([
            sampler.sample(model, *pair, model.linear.drawing, generator)
            for pair in zip(torch.split(noise, CHUNK), torch.split(s, CHUNK), strict=True)
        ])  # fmt: skip
        found = rms_z(drawn.cpu().numpy().reshape(true.shape), true)
        return found if math.isfinite(found) else WORST

    return score


def noise_loss(model: Model, density: Density, y: Tensor, terms: Tensor) -> Tensor:
    """|eps - eps_hat|^2 per pixel of each row, at levels drawn evenly over the density."""
    count = len(y)
    q = (torch.randperm(count) + torch.rand(count)) / count
    levels = torch.from_numpy(np.float32(density.quantile(q.numpy()))).to(y.device)
    eps = torch.randn(y.shape).to(y.device)
    missed = eps - model.guess(add_noise(y, eps, levels), levels, terms)
    return missed.square().flatten(1).mean(1)


__all__ = ["WORST", "learn", "noise_loss", "spectral_score"]
