r"""The metric that fields give to the latent space.

A map f from M latents to N pixel values has the Jacobian J, and a small step dz moves the field by

    |df|^2 = dz^T g dz,    g = J^T J

(Shao, Kumar & Fletcher 2017, arXiv:1711.08014). The eigenvalues of g are by how much the field's
squared distance grows along its principal directions: where they fall steeply, few directions
make the field. J is computed by columns, forwards, or by rows, backwards, whichever are fewer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp

Map = Callable[[Tensor], Tensor]
"""Points (n, M) to values (n, N), each row by itself."""

TOGETHER = 64
"""Derivatives that are computed at once."""


def jacobian(f: Map, z: Tensor) -> Tensor:
    """J at one point z (M,), with shape (N, M)."""
    values, points = f(z[None]).shape[1], len(z)
    axes = torch.eye(min(values, points), dtype=z.dtype)
    parts: list[Tensor] = []
    for part in torch.split(axes, TOGETHER):
        copies = z.repeat(len(part), 1)
        if points <= values:
            parts.append(jvp(f, (copies,), (part,))[1])
        else:
            copies.requires_grad_()
            parts.append(torch.autograd.grad(f(copies), copies, part)[0])
    found = torch.cat(parts)
    return found.T if points <= values else found


def metric(f: Map, z: Tensor) -> Tensor:
    """g at one point z (M,), with shape (M, M)."""
    J = jacobian(f, z)
    return J.T @ J


def spectrum(f: Map, z: Tensor) -> Tensor:
    """The eigenvalues of g at one point z (M,), falling; of M > N the N largest, as all others are
    zero."""
    J = jacobian(f, z)
    square = J.T @ J if J.shape[1] <= len(J) else J @ J.T
    values: Tensor = torch.linalg.eigvalsh(square).flip(0).clamp_min(0)
    return values


def steps(f: Map, path: Tensor) -> Tensor:
    """How far the values move from each point of a path (T + 1, M) to the next, (T,)."""
    moved: Tensor = f(path).diff(dim=0).norm(dim=1)
    return moved


__all__ = ["Map", "jacobian", "metric", "spectrum", "steps"]
