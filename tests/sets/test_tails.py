"""Far pixels are found where tails are heavy, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from sbipipe.sets.tails import FAR, MOST, heavy


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


def test_normal_pixels_of_any_place_and_width_are_mild() -> None:
    assert heavy(5 + 100 * normal(200, 2, 16, 16)) is None
    assert heavy(np.exp(0.3 * normal(200, 1, 16, 16))) is None


def test_far_pixels_are_counted() -> None:
    """Two pixels of two fields, and one of the second channel, in units of its own width."""
    x = normal(100, 2, 32, 32)
    x[3, 0, 0, :2] = 50
    x[7, 0, 1, 1] = -40
    x[9, 1, 2, 2] = 30
    found = heavy(x)
    assert found is not None
    assert (found.fields, found.far) == (100, 3)
    assert found.share == pytest.approx(4 / x.size)
    assert found.farthest == pytest.approx(50, rel=0.02)
    assert "3 of 100 fields" in found.sentence


def test_each_channel_has_a_width_of_its_own() -> None:
    x = normal(50, 2, 32, 32)
    x[:, 1] *= 1000
    assert heavy(x) is None
    x[:, 1, 0, 0] = 100_000
    assert heavy(x) is not None


def test_a_constant_channel_has_no_width() -> None:
    x = np.zeros((5, 1, 8, 8))
    x[0, 0, 0, 0] = 1e6
    assert heavy(x) is None
    assert heavy(x[:0]) is None


def test_some_of_many_fields_are_looked_at() -> None:
    x = normal(MOST + 200, 1, 4, 4)
    x[:, 0, 0, 0] = 2 * FAR
    found = heavy(x)
    assert found is not None
    assert found.fields == found.far == MOST
