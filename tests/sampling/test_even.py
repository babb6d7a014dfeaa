"""Points that fill the cube."""

import numpy as np
import pytest
from linear_posteriors import rng
from scipy.spatial import cKDTree

from sbipipe.sampling.even import even_points


@pytest.mark.parametrize(
    ("dims", "count", "hole"), [(1, 64, 0.02), (2, 4096, 0.013), (3, 4096, 0.06)]
)
def test_even_points_leave_no_hole_and_no_two_turns_share_a_point(
    dims: int, count: int, hole: float
):
    points, others = even_points(count, dims), even_points(count, dims, 1)
    assert points.shape == (count, dims)
    targets = rng().random((20_000, dims))
    assert cKDTree(points, boxsize=1).query(targets)[0].max() < hole
    assert cKDTree(points, boxsize=1).query(others)[0].min() > 0
    np.testing.assert_allclose(points.mean(0), 0.5, atol=2 / np.sqrt(count))
