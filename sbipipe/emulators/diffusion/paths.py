r"""The ways of a teacher's fields from noise, in the frame of its linear denoiser.

The teacher's probability flow, followed in many steps (`sampler`, kind "dpm"), makes one field of
every noise. Such pairs are what a student with few steps learns (Luhman & Luhman 2021,
arXiv 2101.02388); several steps need the field's way as well (Salimans & Ho 2022,
arXiv 2202.00512), which is followed in the frame (`frame`). It is cut where equal parts of its
length lie between: the length is the rms movement of all modes, each in units of its own scatter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sbipipe.emulators.diffusion.frame import Frame
from sbipipe.emulators.diffusion.linear import Model
from sbipipe.emulators.diffusion.sampler import Sampler
from sbipipe.interfaces import Index, Run
from sbipipe.physics.bands import Bands
from sbipipe.progress import track
from sbipipe.seeds import number, stream

TOGETHER = 64
"""Fields on their way at once."""


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Ways of N fields, at the ends of K parts.

    Attributes:
        levels: lambda at the beginning of each part, with shape (K,).
        w: The fields in the frame, with shape (N, K + 1, C, *space): noise first, field last.
        s: Their parameters, with shape (N, D).
    """

    levels: Tensor
    w: Tensor
    s: Tensor


def follow(
    teacher: Model, shape: tuple[int, ...], parts: int, count: int, passes: int, run: Run
) -> Paths:
    """Ways from fresh noise, at parameters drawn from the prior.

    Args:
        shape: Of a field, (C, *space).
        parts: K.
        count: N.
        passes: Of the teacher, for each field.
    """
    D = teacher.linear.basis.dimensions
    s = torch.from_numpy(stream(run.seed, "paths", "theta").uniform(-1, 1, (count, D)))
    sampler = Sampler(kind="dpm", steps=passes)
    starts, cuts, found = range(0, count, TOGETHER), list[int](), list[Tensor]()
    for start in track(starts, "paths", f"parts of {TOGETHER}"):
        own = s[start : start + TOGETHER]
        generator = torch.Generator().manual_seed(number(run.seed, "paths", "noise", start))
        noise = torch.randn(len(own), *shape, generator=generator)
        w = _one_part(teacher, sampler, noise, own, run.device, cuts or list(range(passes)))
        if not cuts:
            cuts = _cuts(w, teacher.linear.bands, parts).tolist()
            w = w[:, [*cuts, -1]]
        found.append(w)
    return Paths(levels=_levels(teacher, passes)[cuts], w=torch.cat(found), s=s)


def _levels(teacher: Model, passes: int) -> Tensor:
    return torch.linspace(*teacher.linear.drawing, passes, dtype=torch.float64)


def _one_part(
    teacher: Model, sampler: Sampler, noise: Tensor, s: Tensor, device: str, which: list[int]
) -> Tensor:
    """w at these levels of the sampler, and the field: (n, len(which) + 1, C, *space)."""
    seen: list[Tensor] = []

    def watched(z: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
        seen.append(z.cpu())
        guess: Tensor = teacher(z, log_snr, s)
        return guess

    linear = teacher.linear
    x = sampler.sample(watched, noise.to(device), s.to(device), linear.drawing)
    levels = _levels(teacher, sampler.steps)[which].tolist()
    w = Frame(linear).along([seen[i] for i in which], levels, linear.basis(s))
    return torch.stack([*w, x.cpu()], 1)


def _cuts(w: Tensor, bands: Bands, parts: int) -> Index:
    """Where the parts of the ways w (n, L + 1, C, *space) begin."""
    scatter = bands.power(w[:, -1]).mean(0)
    moved = torch.stack([
        (bands.power(after - before).mean(0) / scatter)[1:].mean().sqrt()
        for before, after in _pairs(w)
    ])  # fmt: skip
    length = np.concatenate([[0.0], np.cumsum(moved.numpy())])
    equal = np.searchsorted(length, length[-1] * np.arange(parts) / parts)
    steps = np.arange(parts)  # a part has one step of the sampler at least
    rising = np.maximum.accumulate(equal - steps)
    return np.minimum(rising, len(moved) - parts) + steps


def _pairs(w: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for i in range(w.shape[1] - 1):
        yield w[:, i], w[:, i + 1]


__all__ = ["Paths", "follow"]
