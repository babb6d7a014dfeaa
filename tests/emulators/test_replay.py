"""The generator that remembers."""

from __future__ import annotations

import numpy as np

from lognormal_emulator import SIMULATOR, held_out
from sbipipe import plugins
from sbipipe.interfaces import Run
from sbipipe.physics.alignment import distances

ROWS = held_out(200)


def test_its_fields_are_those_of_near_parameters_moved() -> None:
    kind = plugins.make("emulate", "replay", {"nearest": 3, "noise": 0.0}, "replay")
    emulator, _ = kind.fit(ROWS, ROWS.rows(slice(0)), SIMULATOR.prior, Run(seed=0))
    drawn = emulator.draw(ROWS.theta[:4], np.random.default_rng(0))
    away = distances(drawn, ROWS.x, periodic=True)
    place = SIMULATOR.prior.to_unit(ROWS.theta)
    for i, found in enumerate(away.argmin(1)):
        assert away[i, found] < 1e-3
        rank = (((place - place[i]) ** 2).sum(1) < ((place[found] - place[i]) ** 2).sum()).sum()
        assert rank < 3


def test_noise_is_in_units_of_the_field() -> None:
    """d^2 = 2 (1 - 1 / sqrt(1 + s^2)) for noise of s standard deviations, but for chance."""
    kind = plugins.make("emulate", "replay", {"nearest": 1, "noise": 0.3}, "replay")
    emulator, _ = kind.fit(ROWS, ROWS.rows(slice(0)), SIMULATOR.prior, Run(seed=0))
    drawn = emulator.draw(ROWS.theta[:50], np.random.default_rng(0))
    away = np.diag(distances(drawn, ROWS.x[:50], periodic=True))
    expected = np.sqrt(2 * (1 - 1 / np.sqrt(1 + 0.3**2)))
    assert abs(away.mean() - expected) < 4 * away.std() / np.sqrt(50)
