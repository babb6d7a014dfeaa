"""The players of `periodic` know the symmetries of a periodic field."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sbipipe.emulators.gan.noise import noise
from sbipipe.emulators.gan.periodic import PeriodicCritic, PeriodicGenerator
from sbipipe.emulators.gan.spectrum import LogPower
from sbipipe.interfaces import Geometry
from sbipipe.physics.bands import bands_of
from sbipipe.physics.taper import tapered

SHAPE, LEVELS = (2, 16, 24), 2


def generator(conditions: int = 2) -> PeriodicGenerator:
    torch.manual_seed(1)
    return _stirred(
        PeriodicGenerator(shape=SHAPE, conditions=conditions, width=4, levels=LEVELS, maps=2)
    )


def critic(*, conditions: int = 2, spectrum: bool = True) -> PeriodicCritic:
    torch.manual_seed(2)
    return _stirred(
        PeriodicCritic(
            shape=SHAPE, conditions=conditions, width=4, levels=LEVELS, spectrum=spectrum
        )
    )


def _stirred(player):
    """With FiLM that does something."""
    for weight in player.parameters():
        weight.data.add_(0.05 * torch.randn_like(weight))
    return player


def shifted(x: Tensor, cells: tuple[int, int], size: int) -> Tensor:
    return torch.roll(x, tuple(size * cell for cell in cells), (2, 3))


@torch.no_grad()
@pytest.mark.parametrize("cells", [(1, 0), (3, 2)])
def test_a_shift_of_the_noise_shifts_the_field(cells: tuple[int, int]) -> None:
    """The noise of the coarsest grid by some cells, that of each finer one by twice as many."""
    player, s = generator(), torch.rand(3, 2)
    given = noise(player, 3, torch.Generator().manual_seed(0))
    moved = [shifted(grid, cells, 2**level) for level, grid in enumerate(given)]
    expected = shifted(player(s, given), cells, 2**LEVELS)
    torch.testing.assert_close(player(s, moved), expected)
    assert expected.shape == (3, *SHAPE)


@torch.no_grad()
@pytest.mark.parametrize("spectrum", [True, False])
def test_the_critic_is_blind_to_shifts_by_cells_of_the_coarsest_grid(spectrum: bool) -> None:
    player, y, s = critic(spectrum=spectrum), torch.randn(3, *SHAPE), torch.rand(3, 2)
    answers = player(player.read(y), s)
    moved = shifted(y, (1, 3), 2**LEVELS)
    torch.testing.assert_close(player(player.read(moved), s), answers, rtol=1e-4, atol=1e-5)
    other = player(player.read(torch.randn(3, *SHAPE)), s)
    assert not torch.allclose(other, answers, rtol=1e-2)


@torch.no_grad()
def test_both_players_see_theta() -> None:
    given, y = noise(generator(), 1, torch.Generator().manual_seed(0)), torch.randn(1, *SHAPE)
    low, high = torch.zeros(1, 2), torch.ones(1, 2)
    assert not torch.allclose(generator()(low, given), generator()(high, given), rtol=1e-2)
    judge = critic()
    assert not torch.allclose(judge(judge.read(y), low), judge(judge.read(y), high), rtol=1e-2)


def test_with_nothing_to_see_they_take_nothing() -> None:
    s = torch.empty(3, 0)
    fields = generator(0)(s, noise(generator(0), 3))
    judge = critic(conditions=0)
    assert judge(judge.read(fields), s).shape == (3,)


@torch.no_grad()
def test_log_power_of_white_noise_is_that_of_its_variance() -> None:
    """A mean over m modes of |F|^2 with mean v, within five standard errors of N fields."""
    power, variance, count = LogPower((1, 16, 16)), 4.0, 2_000
    y = variance**0.5 * torch.randn(count, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    mean = power(y).exp().mean(0)
    fewest = 4  # modes in a band
    assert mean.sub(variance).abs().max() < 5 * variance / (count * fewest / 2) ** 0.5


@torch.no_grad()
def test_log_power_is_standard_where_it_was_fitted_and_knows_coherence() -> None:
    power = LogPower(SHAPE)
    y = torch.randn(400, *SHAPE, generator=torch.Generator().manual_seed(3))
    y[:, 1] = 0.8 * y[:, 0] + 0.6 * y[:, 1]
    each = power.length // 3
    fullest = int(bands_of(SHAPE).modes[1:].argmax())
    coherence = power(y)[:, 2 * each + fullest].mean().item()
    assert coherence == pytest.approx(0.8, abs=0.02)
    power.fit(y)
    found = power(y)
    torch.testing.assert_close(found.mean(0), torch.zeros(power.length), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.std(0), torch.ones(power.length))


@torch.no_grad()
def test_log_power_of_fields_that_do_not_wrap_around_is_that_of_tapered_ones() -> None:
    """A ramp from side to side leaks into all bands of a plain transform."""
    ramp = torch.arange(16.0)[:, None].expand(16, 16)
    fields = ramp + torch.randn(20, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    grid = Geometry(pixels=(16, 16), periodic=False)
    given = torch.from_numpy(tapered(fields.numpy(), grid)).float()
    plain, window = LogPower((1, 16, 16)), LogPower((1, 16, 16), periodic=False)
    torch.testing.assert_close(window(fields), plain(given), rtol=1e-4, atol=1e-4)
    assert (plain(fields) - window(fields)).mean() > 0.5
    assert not set(window.state_dict()) - set(plain.state_dict())
