"""What the players want: closed forms of the losses and of the penalty."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sbipipe.emulators.gan.game import Duel, r1
from sbipipe.emulators.gan.periodic import PeriodicCritic
from sbipipe.learning.networks import random_symmetry


def test_r1_of_a_linear_critic_is_the_square_of_its_weights() -> None:
    """Summed over all that it reads."""
    a, b = torch.randn(1, 4, 4), torch.randn(7)

    def critic(read):
        return (read[0] * a).flatten(1).sum(1) + read[1] @ b

    found = r1(critic, (torch.randn(5, 1, 4, 4), torch.randn(5, 7)))
    expected = float(a.square().sum() + b.square().sum())
    torch.testing.assert_close(found, torch.full((5,), expected))


def test_the_gradient_of_r1_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    critic = PeriodicCritic(
        shape=(1, 8, 8), conditions=1, width=2, levels=1, spectrum=True
    ).double()
    for weight in critic.parameters():
        weight.data.add_(0.1 * torch.randn_like(weight))
    read, s = critic.read(torch.randn(2, 1, 8, 8).double()), torch.rand(2, 1).double()
    weight = critic.residual[0].convolution.weight

    def penalty() -> Tensor:
        return r1(lambda given: critic(given, s), read).mean()

    (slope,) = torch.autograd.grad(penalty(), weight)
    direction, step = torch.randn_like(weight), 1e-5
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.add_(sign * step * direction)
        values.append(penalty().item())
        with torch.no_grad():
            weight.sub_(sign * step * direction)
    expected = (values[0] - values[1]) / (2 * step)
    assert (slope * direction).sum().item() == pytest.approx(expected, rel=1e-5)


class Scale(nn.Module):
    """A critic that answers with the mean pixel."""

    def read(self, fields: Tensor) -> tuple[Tensor, ...]:
        return (fields,)

    def forward(self, read: tuple[Tensor, ...], s: Tensor) -> Tensor:
        return read[0].flatten(1).mean(1)


class Ones(nn.Module):
    noise_shapes = ((1,),)

    def forward(self, s: Tensor, noise: list[Tensor]) -> Tensor:
        return torch.ones(len(s), 1, 4, 4)


def duel(flips: float) -> Duel:
    return Duel(
        generator=Ones(),
        critic=Scale(),
        flips=flips,
        moved=random_symmetry,
        judge=SimpleNamespace(),
    )


def test_the_losses_are_the_non_saturating_logistic_ones() -> None:
    y, s = torch.full((3, 1, 4, 4), 2.0), torch.empty(3, 0)
    game = duel(0.0)
    real, drawn = 1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(-1.0))
    expected = -np.log(real) - np.log(1 - drawn)
    np.testing.assert_allclose(game.critic_loss((y, s)), expected, rtol=1e-6)
    np.testing.assert_allclose(game.generator_loss((y, s)), -np.log(drawn), rtol=1e-6)


def test_labels_are_flipped_field_by_field_and_only_while_learning() -> None:
    count, share = 20_000, 0.1
    y, s = torch.full((count, 1, 4, 4), 2.0), torch.empty(count, 0)
    game = duel(share)
    torch.manual_seed(0)
    found = game.critic_loss((y, s))
    values, counts = found.unique(return_counts=True)
    assert len(values) == 4, "each of the two labels is right or wrong"
    untouched = float(counts.max()) / count
    expected = (1 - share) ** 2
    assert untouched == pytest.approx(expected, abs=5 * (expected * (1 - expected) / count) ** 0.5)
    game.critic.eval()
    assert len(game.critic_loss((y, s)).unique()) == 1
