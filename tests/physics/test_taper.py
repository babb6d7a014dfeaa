"""The taper in closed form; what it does to spectra is tested in `statistics`."""

from __future__ import annotations

import numpy as np
import pytest

from sbipipe.interfaces import Geometry
from sbipipe.physics.taper import cubed, taper, tapered

SIDES = [(64,), (32, 48), (16, 16, 16)]


@pytest.mark.parametrize("sides", SIDES)
def test_it_is_that_of_the_least_spread(sides: tuple[int, ...]) -> None:
    """<w^2> = 1, <w^3> = (<sin^3> / <sin^2>^{3/2})^d, and <(dw/dx)^2> = (pi / side)^2 = <k^2>."""
    w, grid = taper(sides), Geometry(pixels=sides, periodic=False)
    assert (w**2).mean() == pytest.approx(1)
    assert cubed(grid) == pytest.approx((4 / (3 * np.pi) / 0.5**1.5) ** len(sides), rel=1e-4)
    for axis, side in enumerate(sides):
        slopes = np.diff(w, axis=axis, prepend=0, append=0) * side
        assert (slopes**2).sum() / w.size == pytest.approx(np.pi**2, rel=0.1)


@pytest.mark.parametrize("sides", SIDES)
def test_what_is_tapered(sides: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal((3, 2, *sides)).astype(np.float32)
    assert tapered(x, Geometry(pixels=sides)) is x
    patch = Geometry(pixels=sides, periodic=False)
    found, space = tapered(x, patch), tuple(range(2, x.ndim))
    np.testing.assert_allclose(found.mean(space), 0, atol=1e-12)
    np.testing.assert_allclose(tapered(5 - 2 * x, patch), -2 * found, atol=1e-5)
    assert not tapered(np.full_like(x, -7.5), patch).any()
