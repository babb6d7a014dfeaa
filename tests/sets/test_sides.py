"""Sides that do not meet are found, and those that do are left alone."""

from __future__ import annotations

import numpy as np
import pytest

import windows
from gaussian_maps import smooth, white
from lognormal_emulator import SIMULATOR, held_out
from sbipipe.sets.sides import apart


def test_windows_have_sides_apart() -> None:
    found = apart(windows.rows(300, 0).x)
    assert found is not None
    assert found.step > 1.3
    assert "do not seem to meet" in found.sentence


def test_the_axis_is_named() -> None:
    """A plane that wraps around along its first axis alone."""
    x = smooth(200)[0][..., :20]
    found = apart(x)
    assert found is not None
    assert found.axis == 1


@pytest.mark.parametrize("seed", range(20))
def test_periodic_fields_are_left_alone(seed: int) -> None:
    assert apart(smooth(40, seed)[0]) is None
    assert apart(white(40, 8, seed)) is None
    assert apart(np.exp(2 * smooth(40, seed)[0])) is None


def test_fields_of_a_periodic_simulator_are_left_alone() -> None:
    assert SIMULATOR.data.geometry.periodic
    assert apart(held_out(300).x) is None


@pytest.mark.parametrize("x", [np.ones((5, 1, 4, 4)), np.ones((1, 1, 9)), np.ones((0, 1, 4, 4))])
def test_fields_that_say_nothing_are_left_alone(x: np.ndarray) -> None:
    assert apart(x) is None
