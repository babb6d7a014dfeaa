"""The triangle of one observation, for one parameter and for more than it shows."""

import numpy as np
import pytest

from sbipipe.figures import triangle
from sbipipe.figures.style import looks
from sbipipe.priors.prior import uniform_prior


@pytest.mark.parametrize(("dimension", "shown"), [(1, 1), (9, triangle.LARGEST)])
def test_as_many_parameters_as_are_readable(dimension, shown):
    prior = uniform_prior(**{f"p{i}": (0.0, 1.0) for i in range(dimension)})
    rng = np.random.default_rng(0)
    even = np.repeat(np.linspace(0.2, 0.6, 201)[:, None], dimension, 1)
    draws = {name: rng.permuted(even, axis=0) for name in ("npe", "n$e")}
    found = triangle.Overlaid(draws=draws, prior=prior, truth=np.full(dimension, 0.4))
    assert len(found.parameters) == shown
    drawing = triangle.draw(found, looks(list(draws)), "triangle", "observed.npy[0]")
    assert drawing.image.startswith(b"<?xml")
    assert drawing.width >= 500
    assert all(f"{name} has its median at p0 = 0.4" in drawing.alt for name in draws)
    assert f"p{shown - 1} =" in drawing.alt
    assert f"p{shown} =" not in drawing.alt
