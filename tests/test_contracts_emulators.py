"""Laws that every emulator obeys. A new kind is tested as soon as its file or folder exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import windows
from contracts import kinds, quick, taken
from lognormal_emulator import SIMULATOR, assert_emulates, held_out
from rows import rows_of
from sbipipe import storage
from sbipipe.interfaces import Dataset, Run
from sbipipe.learning.chebyshev import Basis
from sbipipe.protocols import Emulator, EmulatorKind, Scores
from sbipipe.records import InputError

ROWS = held_out(420)
TRAIN, VALID = ROWS.rows(slice(320)), ROWS.rows(slice(320, 414))
TEST = ROWS.rows(slice(414, 420))


def make(kind: str, **changes: Any) -> EmulatorKind:
    made: EmulatorKind = quick("emulate", kind, **changes)
    return made


@pytest.fixture(scope="module", params=kinds("emulate"))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def emulator(kind: str) -> Emulator:
    return make(kind).fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))[0]


def test_it_draws_fields_of_the_simulator(emulator: Emulator) -> None:
    assert_emulates(emulator, TEST.theta)
    assert emulator.data == SIMULATOR.data


def test_restored_weights_draw_the_same_bits(kind: str, emulator: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    storage.save_weights(path, emulator.weights)
    restored = make(kind).restore(storage.load_weights(path), SIMULATOR.prior, device="cpu")
    drawn = [e.draw(TEST.theta, np.random.default_rng(0)) for e in (emulator, restored)]
    np.testing.assert_array_equal(*drawn)
    if isinstance(emulator, Scores) and isinstance(restored, Scores):
        np.testing.assert_array_equal(emulator.surfaces(TEST.x), restored.surfaces(TEST.x))


def test_equal_seeds_give_equal_weights(kind: str, emulator: Emulator) -> None:
    again = make(kind).fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))[0].weights.arrays
    for name, value in emulator.weights.arrays.items():
        np.testing.assert_array_equal(again[name], value)


def test_it_scores_fields_where_its_kind_says_so(kind: str, emulator: Emulator) -> None:
    """A surface for each field; NaN for one that is not finite."""
    assert isinstance(emulator, Scores) == make(kind).scores
    if not isinstance(emulator, Scores):
        return
    x = TEST.x.copy()
    x[2, 0, 1, 1] = np.nan
    found = emulator.surfaces(x)
    assert found.shape == (6, len(Basis(2, emulator.degree)))
    assert (np.isnan(found).all(1) == (np.arange(6) == 2)).all()
    assert np.isfinite(found[np.arange(6) != 2]).all()


def test_fields_that_do_not_wrap_around_are_taken_or_refused_in_words(
    kind: str, emulator: Emulator
) -> None:
    """And drawn as they are. Images under reflections, not those under shifts, have one surface."""
    test, whole = windows.rows(4, 2), emulator

    def fit(rows: Dataset) -> Emulator:
        if rows is TRAIN:
            return whole
        return make(kind).fit(rows, windows.rows(90, 1), windows.PRIOR, Run(seed=1))[0]

    *_, (rows, emulator) = taken(fit, [TRAIN, windows.rows(300, 0)])
    if rows is TRAIN:
        return
    assert_emulates(emulator, test.theta)
    assert emulator.data == test.data
    if isinstance(emulator, Scores):
        expected = emulator.surfaces(test.x)
        np.testing.assert_array_equal(emulator.surfaces(test.x[..., ::-1]), expected)
        assert (emulator.surfaces(np.roll(test.x, 3, 2)) != expected).any(1).all()


def test_vectors_are_an_error(kind: str) -> None:
    rows = rows_of(theta=TRAIN.theta, x=TRAIN.x[:, 0, 0], group=TRAIN.group)
    with pytest.raises(InputError, match="of: given vectors"):
        make(kind).fit(rows, rows, SIMULATOR.prior, Run(seed=0))
