"""A generator that remembers is found, and one that does not is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lognormal_emulator import SIMULATOR, LognormalEmulator, held_out
from lognormal_truth import THETA, fields, truth
from sbipipe import plugins
from sbipipe.emulation.drawing import at_each
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judgement import Remembered
from sbipipe.emulation.remembered import remembered
from sbipipe.interfaces import Array, Run
from sbipipe.seeds import stream

ROWS = held_out(1200)
TRAIN = ROWS.x[:1000]


def drawn(generated: Array) -> Drawn:
    return Drawn(data=SIMULATOR.data, generated=generated, response=np.zeros((1, 1, 1, 16, 16)))


def replayed(seed: int = 0, **config: Any) -> Remembered:
    kind = plugins.make("emulate", "replay", config, "replay")
    train = ROWS.rows(slice(1000))
    emulator, _ = kind.fit(train, train.rows(slice(0)), SIMULATOR.prior, Run(seed=0))
    found = at_each(emulator, THETA, 30, np.random.default_rng(seed))
    return remembered(truth(), drawn(found), TRAIN)


@pytest.mark.parametrize("config", [{}, {"fields": 100}, {"noise": 0.2}])
def test_fields_that_were_handed_out_again_are_found(config: dict[str, Any]) -> None:
    """All signs alike, the least p that ten theta can give: 2^-10."""
    found = replayed(**config)
    assert found.training == 1000
    assert found.fields == 15
    assert found.pixels.p == pytest.approx(2**-10)
    assert (found.pixels.generated < found.pixels.true).all()
    assert found.twins is not None
    assert found.twins.p < 0.01


def test_few_new_fields_are_twins_and_not_remembered() -> None:
    """Twenty fields of its own at each theta, not of the training set, drawn again and again."""
    own, rng = fields(20, "own"), stream(0, "again")
    again = np.stack([one[rng.integers(20, size=30)] for one in own])
    found = remembered(truth(), drawn(again), TRAIN)
    assert found.twins is not None
    assert found.twins.p == pytest.approx(2**-10)
    assert found.pixels.p > 0.01


def test_true_fields_pass_at_their_rate() -> None:
    """20 sets of true fields: p below 0.1 in as many as a binomial with that chance allows."""
    found = []
    for seed in range(20):
        emulator = LognormalEmulator(1.0)
        rows = emulator.draw(np.repeat(THETA, 20, 0), stream(1, "true again", seed))
        others = emulator.draw(np.repeat(THETA, 20, 0), stream(1, "control again", seed))
        shape = (len(THETA), 20, 1, 16, 16)
        one = replace(truth(), control=others.reshape(shape)[:, :8])
        found.append(remembered(one, drawn(rows.reshape(shape)[:, :16]), TRAIN[:300]))
    for p in zip(*((r.pixels.p, r.power.p, r.twins.p) for r in found if r.twins), strict=True):
        assert (np.array(p) <= 0.1).sum() <= 6  # the 99.8th percentile of a binomial of 20
        assert 0.3 < np.mean(p) < 0.7


def test_without_a_simulator_nothing_is_said_of_twins() -> None:
    one = replace(truth(), control=None)
    assert remembered(one, drawn(fields(30, "new")), TRAIN).twins is None


def test_large_fields_are_averaged_first() -> None:
    from sbipipe.emulation.remembered import _small
    from sbipipe.interfaces import Fields, Geometry

    data = Fields(geometry=Geometry(pixels=(96, 192)))
    assert _small(np.zeros((2, 3, 1, 96, 192)), data).shape == (2, 3, 1, 32, 64)
