"""The players of CosmoGAN are those of the paper's tables."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sbipipe.emulators.gan.cosmogan import CosmoCritic, CosmoGenerator
from sbipipe.emulators.gan.noise import noise

DENSE, CELLS = 512 * 16 * 16, 16 * 16
CONVOLUTIONS = {"512-256": 3_276_800, "256-128": 819_200, "128-64": 204_800, "64-1": 1_600}


def weights(player: nn.Module) -> int:
    return sum(weight.numel() for weight in player.parameters())


def test_they_have_as_many_weights_as_the_tables_say() -> None:
    """Kernels, biases, and a scale and a shift for every normalised feature."""
    with torch.device("meta"):
        generator = CosmoGenerator(shape=(1, 256, 256), conditions=0, latent=64)
        critic = CosmoCritic(shape=(1, 256, 256), conditions=0)
    kernels, between = sum(CONVOLUTIONS.values()), 256 + 128 + 64
    assert weights(generator) == 65 * DENSE + 2 * 512 + kernels + 3 * between + 1
    assert weights(critic) == kernels + 64 + 3 * (128 + 256 + 512) + 512 * CELLS + 1
    assert weights(generator) / 1e6 == pytest.approx(12.82, abs=0.005)
    assert weights(critic) / 1e6 == pytest.approx(4.4, abs=0.05)


@torch.no_grad()
@pytest.mark.parametrize("sides", [(16, 16), (32, 48)])
def test_they_have_any_size_that_halves_four_times(sides: tuple[int, int]) -> None:
    generator = CosmoGenerator(shape=(2, *sides), conditions=3, latent=8)
    s = torch.rand(4, 3)
    fields = generator(s, noise(generator, 4))
    assert fields.shape == (4, 2, *sides)
    assert fields.abs().max() < 1
    critic = CosmoCritic(shape=(2, *sides), conditions=3)
    assert critic(critic.read(fields), s).shape == (4,)
