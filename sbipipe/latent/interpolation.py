r"""Paths between two latent vectors.

A linear path passes near the origin, where white noise never is: in M dimensions its length is near
sqrt(M), and halfway between two such vectors it is 0.71 of that. A spherical path keeps the length,

    z(t) = [sin((1 - t) w) z_0 + sin(t w) z_1] / sin w,    cos w = z_0 . z_1 / (|z_0| |z_1|)

(White 2016, arXiv:1609.04468). Both lie in the plane that z_0 and z_1 span.
"""

from __future__ import annotations

import torch
from torch import Tensor

PARALLEL = 1e-7
"""Sine of the angle below which vectors count as parallel."""


def linear(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Points (n, M) of the straight line from `start` (M,) to `end`, at shares t (n,) of it."""
    return torch.lerp(start, end, t[:, None])


def spherical(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Points (n, M) of the arc from `start` (M,) to `end`, at shares t (n,) of its angle.

    Raises:
        ValueError: If the two are parallel, so that there is no arc or no single one.
    """
    cosine = torch.dot(start, end) / (start.norm() * end.norm())
    angle = torch.arccos(cosine.clamp(-1, 1))
    sine = torch.sin(angle)
    if not sine > PARALLEL:
        raise ValueError(f"end: given a vector with cosine {cosine:g} to start; allowed: |.| < 1")
    weights = torch.sin(torch.stack([1 - t, t], 1) * angle) / sine
    return weights @ torch.stack([start, end])


__all__ = ["linear", "spherical"]
