"""The score that chooses among checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rows import rows_of
from sbipipe.emulators.diffusion.gaussian import GaussianDenoiser
from sbipipe.emulators.diffusion.learning import WORST, spectral_score
from sbipipe.emulators.diffusion.sampler import Sampler
from sbipipe.interfaces import Dataset, Run
from sbipipe.physics import fields
from sbipipe.simulators.lognormal import Lognormal

SIMULATOR = Lognormal(pixels=8, box=60.0, output="log")


class Exact(nn.Module):
    """The exact denoiser of fields whose power is `bias` times the true one."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        of_mode = fields.shells(SIMULATOR.pixels, 2, SIMULATOR.box).of_mode
        area = (SIMULATOR.box / SIMULATOR.pixels) ** 2

        def power(s: Tensor) -> np.ndarray:
            return SIMULATOR.power(SIMULATOR.prior.from_unit((s.numpy() + 1) / 2)) / area

        self.denoise = GaussianDenoiser(
            eigenvalues=lambda s: bias * torch.from_numpy(power(s)[:, of_mode]),
            mean=lambda s: torch.from_numpy(-power(s)[:, of_mode].mean((1, 2)) / 2),
        )
        self.linear = type("Range", (), {"drawing": (-8.0, 12.0)})

    def forward(self, z: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
        return self.denoise(z.double(), log_snr.double(), s)


def rows(simulations: int, each: int) -> Dataset:
    rng = np.random.default_rng(0)
    theta = np.repeat(SIMULATOR.prior.sample(simulations, rng), each, 0)
    x = SIMULATOR.simulate(theta, rng)
    return rows_of(theta=theta, x=x, group=np.repeat(np.arange(simulations), each))


def score(bias: float) -> float:
    found = spectral_score(
        Exact(bias), rows(20, 15), SIMULATOR.prior, Sampler(steps=40), Run(seed=0)
    )
    assert found is not None
    values = {found() for _ in range(2)}
    assert len(values) == 1  # the same noise every time
    return values.pop()


def test_the_truth_scores_one_and_every_other_power_more() -> None:
    """z of 10 theta x 5 bins: its rms is 1 +- 0.1, and a bias of 40 % is more than 3 sigma."""
    assert score(1.0) == pytest.approx(1, abs=0.35)
    assert score(1.0) < min(score(0.6), score(1.6)) - 0.3


def test_a_field_that_is_not_finite_scores_worst() -> None:
    assert score(float("nan")) == WORST


def test_simulations_with_few_fields_give_no_score() -> None:
    few = rows(20, 3)
    assert spectral_score(Exact(1.0), few, SIMULATOR.prior, Sampler(), Run(seed=0)) is None
