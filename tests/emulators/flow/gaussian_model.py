"""Gaussian fields whose power, means and correlations are known functions of two parameters."""

import numpy as np
import torch
from torch import Tensor

from sbipipe.emulators.flow.whitening import Whitening
from sbipipe.learning.chebyshev import Basis
from sbipipe.physics.bands import Bands


def whitening(
    sides: tuple[int, ...], channels: int, seed: int = 0, *, periodic: bool = True
) -> Whitening:
    """Gaussian fields with a mean, power and correlations that depend on two parameters."""
    rng = np.random.default_rng(seed)
    bands, basis = Bands(sides, periodic), Basis(2, 2)
    pull = rng.normal(size=(len(bands), channels, channels + 1, len(basis))) * 0.3
    for c in range(channels):
        pull[:, c, c:channels] = 0
    pull[1:, :, -1] = 0
    return Whitening(
        bands=bands,
        basis=basis,
        log_power=torch.from_numpy(rng.normal(size=(len(bands), channels, len(basis))) * 0.4),
        pull=torch.from_numpy(pull),
    )


def fields_of(model: Whitening, s: Tensor, seed: int = 1) -> Tensor:
    """Fields of the model itself."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(s), model.channels, *model.bands.sides)
    return model.colour(torch.randn(shape, generator=generator, dtype=torch.float64), s)


def parameters(count: int, seed: int = 2) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (count, 2)))
