r"""The cosine transform of fields whose opposite sides do not meet.

Along an axis of N pixels, in its orthonormal form (DCT-II; Ahmed, Natarajan & Rao 1974),

    X_n = sum_x D_nx f_x,    D_nx = sqrt((2 - [n = 0]) / N) cos(pi n (x + 1/2) / N),

it is the Fourier transform of a field that is mirrored at its sides. So the jump between opposite
sides, which Fourier's own throws onto the shortest waves, is not there. Mode n has n / 2 waves
along the axis. Mirroring the axis changes the signs of X_n with odd n, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def cosines(fields: Tensor) -> Tensor:
    """X of fields (n, C, *space), with their shape."""
    return _along_axes(fields, [_matrix(side) for side in fields.shape[2:]])


def of_cosines(waves: Tensor) -> Tensor:
    """The fields of X (n, C, *space)."""
    return _along_axes(waves, [_matrix(side).T for side in waves.shape[2:]])


def _along_axes(values: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    for axis, matrix in enumerate(matrices, 2):
        values = torch.tensordot(values, matrix.to(values), dims=([axis], [1])).movedim(-1, axis)
    return values


def _matrix(side: int) -> Tensor:
    """D, with shape (side, side)."""
    x = torch.arange(side, dtype=torch.float64)
    matrix = math.sqrt(2 / side) * torch.cos(math.pi * torch.outer(x, x + 0.5) / side)
    matrix[0] = side**-0.5
    return matrix


__all__ = ["cosines", "of_cosines"]
