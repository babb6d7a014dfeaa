import numpy as np
import pytest
import torch

from sbipipe.physics.bands import Bands, bands_of

SHAPES = [(1, 24), (2, 8, 12), (1, 9, 9), (2, 6, 6, 4)]

either = pytest.mark.parametrize("periodic", [True, False])


def fields(shape, n=3):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, *shape)))


@either
@pytest.mark.parametrize("shape", SHAPES)
def test_every_mode_has_a_band_and_none_but_zero_has_the_first(shape, periodic):
    bands = bands_of(shape, periodic=periodic)
    assert bands.modes.sum() == np.prod(shape[1:])
    assert bands.modes[0] == 1
    assert bands.of_mode.ravel()[0] == 0
    assert (bands.modes > 0).all()


@either
@pytest.mark.parametrize("shape", SHAPES)
def test_moments_sum_to_the_products_of_the_channels(shape, periodic):
    x = fields(shape)
    moments = bands_of(shape, periodic=periodic).moments(x).sum(1)
    full = torch.cat([x, torch.ones_like(x[:, :1])], 1).flatten(2)
    torch.testing.assert_close(moments, full @ full.mT)


@either
@pytest.mark.parametrize("shape", SHAPES)
def test_unit_gains_change_nothing_and_the_last_adds_a_constant(shape, periodic):
    bands, x = bands_of(shape, periodic=periodic), fields(shape)
    gains = torch.zeros(3, len(bands), shape[0], shape[0] + 1).double()
    gains[:, :, range(shape[0]), range(shape[0])] = 1
    torch.testing.assert_close(bands.filter(x, gains), x)
    gains[:, 0, :, -1] = 2
    torch.testing.assert_close(bands.filter(x, gains), x + 2)


@either
def test_filters_commute_with_the_symmetries_of_the_grid(periodic):
    bands, x = Bands((8, 8), periodic), fields((1, 8, 8))
    gains = torch.rand(3, len(bands), 1, 2).double()

    def move(f):
        shifted = torch.roll(f, (3, 1), (2, 3)) if periodic else f
        return shifted.flip(2).transpose(2, 3)

    torch.testing.assert_close(bands.filter(move(x), gains), move(bands.filter(x, gains)))


def test_moments_do_not_know_where_the_origin_is():
    bands, x = Bands((8, 8)), fields((2, 8, 8))
    torch.testing.assert_close(bands.moments(torch.roll(x, (3, 5), (2, 3))), bands.moments(x))


def test_waves_are_as_long_as_they_say():
    """A cosine of two periods along a side is one mode of both kinds of grid, but for its phase."""
    x = torch.cos(2 * torch.pi * 2 * (torch.arange(16) + 0.5) / 16)[None, None].double()
    for bands in (Bands((16,)), Bands((16,), periodic=False)):
        power = bands.power(x)[0, :, 0] * torch.from_numpy(bands.modes)
        assert power.sum() == pytest.approx(float(x.square().sum()))
        assert bands.lengths[int(power.argmax())] == pytest.approx(2 / 16, rel=0.05)
        assert power.max() == pytest.approx(float(power.sum()))
