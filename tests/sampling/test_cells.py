"""Cells that are cut, and sown and cut again."""

import numpy as np
from scipy import special, stats

from sbipipe.sampling.cells import Cells, coarse_cells, locate, subdivide

HIGH, LOW = np.array([0.51, 0.51]), np.array([0.532, 0.532])
"""Two spikes in one cell of the coarse grid, the second with a third of the mass."""

WIDTH = 1e-3
SHARES = (0.75, 0.25)
FLOOR = 1e-3
"""A density everywhere, above the tails of the spikes, which would hint at them from afar."""


def spikes(q: np.ndarray, which: object = None) -> np.ndarray:
    """The log density of points (n, 1, 2), with shape (n, 1)."""
    parts = [
        np.log(share) + stats.multivariate_normal(at, WIDTH**2).logpdf(q).reshape(q.shape[:-1])
        for share, at in zip(SHARES, (HIGH, LOW), strict=True)
    ]
    return np.logaddexp(np.logaddexp(*parts), np.log(FLOOR))


def mass(cells: Cells) -> float:
    return float(np.exp(special.logsumexp(cells.log_mass)))


def test_a_lower_spike_in_the_same_coarse_cell_is_found_by_sowing_again():
    loss, first = np.array([0.03]), HIGH.reshape(1, 1, 2)
    (cells,) = subdivide(spikes, coarse_cells(spikes, 2, first, spikes(first)), loss)
    np.testing.assert_allclose(mass(cells), SHARES[0], rtol=0.03)
    second = np.stack([HIGH, LOW]).reshape(2, 1, 2)
    sown = cells.sown(second, spikes(second), locate(cells, second[:, 0])[:, None])
    (cells,) = subdivide(spikes, sown, loss)
    np.testing.assert_allclose(mass(cells), 1, rtol=0.03)


def test_cells_fill_the_cube_however_they_are_cut():
    seeds = np.stack([HIGH, LOW]).reshape(2, 1, 2)
    (cells,) = subdivide(spikes, coarse_cells(spikes, 2, seeds, spikes(seeds)), np.array([0.03]))
    np.testing.assert_allclose(cells.width.prod(-1).sum(), 1)
    points = np.random.default_rng(0).random((500, 2))
    own = locate(cells, points)
    away = np.abs(points - cells.centre[own, 0])
    assert (away <= cells.width[own, 0] / 2 * (1 + 1e-9)).all()
