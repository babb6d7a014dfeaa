"""How alike fields are once one of them is moved."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sbipipe.physics.alignment import distances

RNG = np.random.default_rng(0)


def standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / x.std()


def test_every_move_is_tried() -> None:
    """The least mean square over all shifts, reflections and rotations, one by one."""
    a, b = standard(RNG.standard_normal((6, 6))), standard(RNG.standard_normal((6, 6)))
    turned = [np.rot90(one, k) for one in (b, b.T) for k in range(4)]
    moves = itertools.product(turned, range(6), range(6))
    least = min(((a - np.roll(one, (i, j), (0, 1))) ** 2).mean() for one, i, j in moves)
    found = distances(a[None, None], b[None, None], periodic=True)
    np.testing.assert_allclose(found, [[np.sqrt(least)]], rtol=1e-12)


@pytest.mark.parametrize("shape", [(2, 16), (1, 8, 8), (2, 8, 6), (1, 6, 6, 6)])
def test_an_image_of_a_field_is_the_field(shape: tuple[int, ...]) -> None:
    fields = RNG.standard_normal((3, *shape))
    axes = tuple(range(2, fields.ndim))
    moved = np.roll(np.flip(fields, axes[:1]), [3] * len(axes), axes) * 2 + 5
    found = distances(fields, moved, periodic=True)
    np.testing.assert_allclose(np.diag(found), 0, atol=1e-6)
    assert (found[~np.eye(3, dtype=bool)] > 0.3).all()


def test_fields_with_edges_are_not_shifted() -> None:
    field = RNG.standard_normal((1, 1, 16, 16))
    shifted, turned = np.roll(field, 3, 2), np.rot90(field, 1, (2, 3))
    assert distances(field, shifted, periodic=False)[0, 0] > 1
    assert distances(field, turned, periodic=False)[0, 0] < 1e-6


def test_a_constant_field_is_like_none() -> None:
    fields = np.stack([np.ones((1, 8, 8)), RNG.standard_normal((1, 8, 8))])
    np.testing.assert_allclose(distances(fields[:1], fields, periodic=True), np.sqrt(2))
