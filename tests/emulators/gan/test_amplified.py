"""A generator is given the spectra of true fields, whatever its own."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gaussian_fields
from sbipipe.emulators.gan.amplified import Amplified
from sbipipe.emulators.gan.noise import noise
from sbipipe.interfaces import Run
from sbipipe.learning.pixels import Pixels

SHAPE = (1, gaussian_fields.SIDE, gaussian_fields.SIDE)
PIXELS = {
    "linear": Pixels(np.array([[-1.0, 1.0]]), np.array([[-0.5, 0.5]])),
    "bent": Pixels(np.array([[-2.0, 0.0, 4.0]]), np.array([[-1.0, 0.0, 1.0]])),
}


class White(nn.Module):
    """Fields as white as their noise, whatever theta is."""

    noise_shapes = (SHAPE,)

    def forward(self, s: Tensor, given: Any) -> Tensor:
        return given[0]


class Apart(White):
    """Two channels that know nothing of each other."""

    noise_shapes = ((2, *SHAPE[1:]),)


@pytest.mark.parametrize("pixels", PIXELS.values(), ids=PIXELS)
def test_it_has_the_power_of_true_fields_at_every_theta(pixels: Pixels) -> None:
    s = gaussian_fields.parameters(3000, 0)
    x = gaussian_fields.draw(s, 1).float()
    generator = Amplified(White(), SHAPE, 2)
    generator.match(x, s.float(), pixels, Run(seed=1))
    for corner in ((-0.7, 0.5), (0.6, -0.4)):
        at = torch.tensor([corner]).expand(2000, -1)
        given = noise(generator, len(at), torch.Generator().manual_seed(2))
        drawn = torch.from_numpy(pixels.inverse(generator(at, given).numpy()))
        found = generator.bands.power(drawn)[:, 1:].mean(0)[:, 0]
        true = generator.bands.power(gaussian_fields.draw(at.double(), 3))[:, 1:].mean(0)[:, 0]
        error = (2 / generator.bands.modes[1:] / 2000) ** 0.5
        np.testing.assert_array_less(np.abs(np.log(found / true)), 0.03 + 5 * error)


def test_what_is_not_matched_is_left_as_it_is() -> None:
    generator, given = Amplified(White(), SHAPE, 0), [torch.randn(4, *SHAPE)]
    torch.testing.assert_close(generator(torch.empty(4, 0), given), given[0])


def test_without_parameters_it_has_their_mean_power() -> None:
    s = gaussian_fields.parameters(3000, 0)
    x = gaussian_fields.draw(s, 1).float()
    generator = Amplified(White(), SHAPE, 0)
    generator.match(x, torch.empty(len(x), 0), PIXELS["linear"], Run(seed=1))
    drawn = generator(torch.empty(2000, 0), noise(generator, 2000)).numpy()
    found = generator.bands.power(torch.from_numpy(PIXELS["linear"].inverse(drawn)))[:, 1:]
    ratio = found.mean(0) / generator.bands.power(x)[:, 1:].mean(0)
    assert float((ratio.log().abs()).max()) < 0.12


def test_channels_have_the_coherence_of_true_ones_at_every_theta() -> None:
    def true(s: Tensor, seed: int) -> Tensor:
        first, other = (gaussian_fields.draw(s, seed + i) for i in range(2))
        return torch.cat([first, (0.5 + 0.3 * s[:, :1, None, None]) * first + other], 1)

    s = gaussian_fields.parameters(3000, 0)
    generator = Amplified(Apart(), (2, *SHAPE[1:]), 2)
    pixels = Pixels(np.tile(PIXELS["bent"].value, (2, 1)), np.tile(PIXELS["bent"].level, (2, 1)))
    generator.match(true(s, 1).float(), s.float(), pixels, Run(seed=1))
    at = torch.tensor([[0.6, -0.4]]).expand(2000, -1)
    given = noise(generator, len(at), torch.Generator().manual_seed(2))
    drawn = torch.from_numpy(pixels.inverse(generator(at, given).numpy()))
    pairs = [generator.bands.spectra(one)[:, 1:].mean(0) for one in (drawn, true(at.double(), 3))]
    for a, b in ((0, 0), (1, 1), (0, 1)):
        found, expected = (one[:, a, b] for one in pairs)
        error = (4 / generator.bands.modes[1:] / 2000) ** 0.5
        np.testing.assert_array_less(np.abs(found / expected - 1), 0.04 + 5 * error)
