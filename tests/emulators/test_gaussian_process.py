"""Gaussian processes of spectra, beside fields whose spectrum is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lognormal_emulator import SIMULATOR, held_out
from rows import described
from sbipipe import plugins
from sbipipe.interfaces import Array, Dataset, Run
from sbipipe.physics import fields
from sbipipe.physics.bands import Bands
from sbipipe.priors.prior import uniform_prior

ROWS = held_out(1_000)
TRAIN, VALID = ROWS.rows(slice(600)), ROWS.rows(slice(600, 1_000))


def fitted(train: Dataset, valid: Dataset, prior: Any, **config: Any) -> Any:
    kind = plugins.make("emulate", "gaussian_process", config, "emulate.it")
    return kind.fit(train, valid, prior, Run(seed=0))


@pytest.fixture(scope="module")
def learned() -> Any:
    return fitted(TRAIN, VALID, SIMULATOR.prior, simulations=400)


def true_power(theta: Array) -> Array:
    """ln P of log(1 + delta) in bands, from the formula of the simulator, (N, b)."""
    bands, shells = Bands((16, 16)), fields.shells(16, 2, SIMULATOR.box)
    each = SIMULATOR.power(theta)[:, shells.of_mode.ravel()]
    sums = np.stack([np.bincount(bands.of_mode.ravel(), row) for row in each])
    return np.asarray(np.log(sums / bands.modes)[:, 1:])


def test_the_true_spectrum_lies_within_the_error(learned: Any) -> None:
    """z of single bands is normal; over bands, which are independent, and places, which are not."""
    found = learned[0].spectrum(VALID.theta[::8])
    z = (found.mean[:, 0] - true_power(VALID.theta[::8])) / found.error[:, 0]
    of_bands = np.sqrt((z**2).mean(0))
    assert abs(np.sqrt((z**2).mean()) - 1) < 4 * of_bands.std() / np.sqrt(len(of_bands))
    assert (found.error < 0.5 * found.scatter).all()
    assert found.k[0] == pytest.approx(2 * np.pi / SIMULATOR.box)


def test_its_bars_hold_as_many_simulations_as_they_say(learned: Any) -> None:
    notes = learned[1].notes["spectrum"]
    cells = 400 * (len(Bands((16, 16))) - 1)
    assert notes["simulations"] == 400
    for level in (68, 95):  # log-gamma noise of few modes: 0.70 and 0.95 for the first band
        chance = 4 * np.sqrt(level / 100 * (1 - level / 100) / cells)
        assert abs(notes[f"covered_{level}"] - level / 100) < 0.02 + chance
    assert notes["difference_percent"] == pytest.approx(notes["expected_percent"], rel=0.05)


def test_what_it_draws_has_the_spectrum_and_the_mean_that_it_predicts(learned: Any) -> None:
    theta = np.array([[0.3, 0.8]])
    x = learned[0].draw(np.repeat(theta, 4_000, 0), np.random.default_rng(0))
    bands, cell = Bands((16, 16)), (SIMULATOR.box / 16) ** 2
    squares = np.abs(np.fft.fft2(x[:, 0], norm="ortho")).reshape(len(x), -1) ** 2 * cell
    sums = np.stack([np.bincount(bands.of_mode.ravel(), row) for row in squares])
    power = (sums / bands.modes)[:, 1:]
    z = power.mean(0) - np.exp(learned[0].spectrum(theta).mean[0, 0])
    assert (np.abs(z) < 4.5 * power.std(0) / np.sqrt(len(x))).all()
    variance = np.exp(true_power(theta)[0]) @ bands.modes[1:] / SIMULATOR.box**2
    fundamental = np.exp(true_power(theta)[0, 0]) / SIMULATOR.box**2  # that of k = 0 as well
    means = x.mean((1, 2, 3))
    assert abs(means.mean() + (variance + fundamental) / 2) < 0.1 * np.sqrt(fundamental)
    assert means.std() == pytest.approx(np.sqrt(fundamental), rel=0.1)


@pytest.mark.parametrize("sides", [(12,), (8, 12), (4, 4, 6)])
def test_white_noise_of_several_channels_is_flat_on_any_grid(sides: tuple[int, ...]) -> None:
    """P = s^2 times a cell's volume; three rows of each simulation."""
    rng, prior = np.random.default_rng(1), uniform_prior(a=(0.0, 2.0))
    theta = np.repeat(prior.sample(80, rng), 3, 0)
    sd = np.array([1.0, 1e-3]).reshape(1, 2, *[1] * len(sides))
    x = sd * rng.standard_normal((240, 2, *sides)).astype(np.float32)
    rows = Dataset(data=described(x, box=6.0), theta=theta, x=x, group=np.arange(240) // 3)
    emulator, _ = fitted(rows, rows.rows(slice(0)), prior)
    cell = (6.0 / sides[0]) ** len(sides)
    found = emulator.spectrum(np.array([[1.0]]))
    modes = Bands(sides).modes[1:]
    expected = np.log(cell * np.square(sd.ravel()))[:, None]
    error = np.hypot(found.error[0], np.sqrt(2 / (240 * modes)))
    assert (np.abs(found.mean[0] - expected) < 4 * error).all()
    drawn = emulator.draw(np.full((200, 1), 0.5), rng)
    np.testing.assert_allclose(drawn.std((0, *range(2, x.ndim))), sd.ravel(), rtol=0.1)
    assert abs(np.corrcoef(drawn[:, 0].ravel(), drawn[:, 1].ravel())[0, 1]) < 0.05
