"""How lenstools is made to run, and what it can measure."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from gaussian_maps import grid
from sbipipe.interfaces import Fields, Geometry
from sbipipe.statistics import _lenstools


def test_the_compatibility_of_lenstools_stays_its_own() -> None:
    _lenstools._convergence()
    assert not any(hasattr(np, name) for name in ("float", "int", "complex"))
    assert not {"lenstools", "lenstools.simulations"} & set(sys.modules)
    assert sys.modules.get("matplotlib", sys) is not None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (grid(8), ""),
        (grid(4), "given maps of 4 x 4 pixels; allowed: square maps of at least 8 a side"),
        (Fields(geometry=Geometry(pixels=(16, 8))), "given maps of 16 x 8 pixels"),
        (Fields(geometry=Geometry(pixels=(16,))), "given profiles of 16 pixels"),
        (Fields(geometry=Geometry(pixels=(8, 8, 8))), "given boxes of 8 x 8 x 8 pixels"),
        (grid(16, periodic=False), ""),
    ],
)
def test_only_square_maps_are_measured(data: Fields, why: str) -> None:
    found = _lenstools.obstacle(data)
    assert found.startswith(why)
    assert bool(found) == bool(why)
