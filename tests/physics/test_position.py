import itertools

import numpy as np
import pytest

from sbipipe.physics.alignment import distances
from sbipipe.physics.position import standard_position


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(1, 16), (2, 8, 8), (1, 6, 10), (1, 7, 7, 7)])
def test_every_image_of_a_field_has_one_position(shape, periodic):
    """Only periodic fields are shifted."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, *shape)).astype(np.float32)
    expected = standard_position(x, periodic=periodic)
    axes = range(2, x.ndim)
    for order in itertools.permutations(axes):
        if any(x.shape[a] != x.shape[b] for a, b in zip(order, axes, strict=True)):
            continue
        for signs in itertools.product((False, True), repeat=len(axes)):
            image = x.transpose(0, 1, *order)
            image = np.flip(image, [a for a, sign in zip(axes, signs, strict=True) if sign])
            if periodic:
                image = np.roll(image, rng.integers(0, 9, len(axes)), tuple(axes))
            found = standard_position(image, periodic=periodic)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("periodic", [True, False])
def test_it_only_moves_pixels(periodic):
    x = np.random.default_rng(1).normal(size=(3, 2, 8, 8))
    moved = standard_position(x, periodic=periodic)
    for before, after in zip(x, moved, strict=True):
        np.testing.assert_array_equal(np.sort(before.ravel()), np.sort(after.ravel()))
        spectra = [np.abs(np.fft.fft2(field)).sum() for field in (before, after)]
        assert spectra[0] == pytest.approx(spectra[1])
    if not periodic:
        np.testing.assert_allclose(np.diag(distances(x, moved, periodic=False)), 0, atol=1e-6)


def test_no_field_has_no_position():
    assert standard_position(np.empty((0, 1, 4, 4))).shape == (0, 1, 4, 4)
