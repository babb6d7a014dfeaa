"""The score is about 1 for true fields, and larger for all others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sbipipe.emulators.gan.score import WORST, Judge, distance

COUNT, SIDE = 600, 16


def field(s: Tensor, noise: Tensor, *, amplitude: float = 1.0) -> Tensor:
    """White noise, smoothed a little, whose amplitude follows theta."""
    smooth = noise + 0.5 * torch.roll(noise, 1, 2)
    return amplitude * smooth * (1 + 0.3 * s[:, :1, None, None])


class Exact(nn.Module):
    """Draws as the truth does, but for what is asked of it."""

    noise_shapes = ((1, SIDE, SIDE),)

    def __init__(self, amplitude: float = 1.0, *, blind: bool = False, still: bool = False) -> None:
        super().__init__()
        self.amplitude, self.blind, self.still = amplitude, blind, still

    def forward(self, s: Tensor, noise: list[Tensor]) -> Tensor:
        grid = noise[0][:1].expand_as(noise[0]) if self.still else noise[0]
        return field(0 * s if self.blind else s, grid, amplitude=self.amplitude)


@pytest.fixture(scope="module")
def judge() -> Judge:
    source = torch.Generator().manual_seed(0)
    s = 2 * torch.rand(COUNT, 2, generator=source) - 1
    y = field(s, torch.randn(COUNT, 1, SIDE, SIDE, generator=source))
    noise = [torch.randn(COUNT, 1, SIDE, SIDE, generator=source)]
    return Judge.of(y, s, noise, "cpu")


def test_a_perfect_generator_scores_one(judge: Judge) -> None:
    """The rms of some 200 z, many of which go together: within five standard errors of 20."""
    assert judge.score(Exact()) == pytest.approx(1.0, abs=5 / (2 * 20) ** 0.5 / 2)
    assert judge.scatter(Exact()) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("wrong", [0.9, 1.1])
def test_too_little_and_too_much_power_score_alike_and_worse(judge: Judge, wrong: float) -> None:
    assert judge.score(Exact(wrong)) > 4


def test_a_generator_blind_to_theta_or_without_scatter_scores_worse(judge: Judge) -> None:
    assert judge.score(Exact(blind=True)) > 4
    assert judge.score(Exact(still=True)) > 2
    assert judge.scatter(Exact(still=True)) == pytest.approx(0, abs=1e-6)


def test_an_erratic_generator_gains_nothing(judge: Judge) -> None:
    """Errors are those of the true fields, so scatter of the drawn ones does not hide a bias."""
    Q = torch.linalg.qr(torch.ones(COUNT, 1, dtype=torch.float64)).Q
    true = torch.from_numpy(np.random.default_rng(0).normal(size=(COUNT, 3)))
    steady = distance(true, true + 1.0, Q)
    erratic = distance(true, 30 * true + 1.0, Q)
    assert erratic > steady > 5


def test_a_field_that_is_not_finite_has_the_worst_score(judge: Judge) -> None:
    assert judge.score(Exact(np.nan)) == WORST


def test_what_all_true_fields_have_in_common_is_left_out() -> None:
    """It has no error to compare with."""
    Q = torch.linalg.qr(torch.ones(COUNT, 1, dtype=torch.float64)).Q
    true, drawn = torch.from_numpy(np.random.default_rng(0).normal(size=(2, COUNT, 3)))
    both = torch.cat([true, torch.full((COUNT, 1), -0.5, dtype=torch.float64)], 1)
    assert distance(both, torch.cat([drawn, drawn[:, :1]], 1), Q) == distance(true, drawn, Q)
