r"""A posterior of two parameters on a fine grid.

The grid lies where the prior is a standard normal, u in [-6, 6]^2. It zooms in: the next grid is
the box around the points whose log density is within `FLOOR` of the largest, or, if that is more,
within the drop from the largest to its lowest neighbour, so that a peak between two points is not
lost. On the last grid the cells are weighed by their density; a draw is a cell, and a point of it
by chance. With cells of area a, Z = a sum L(u) N(u; 0, I).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior

EDGE = 6.0
PIXELS = (120, 120, 120, 400)
"""Points along each axis of the grids."""

FLOOR = 25.0
"""Nats below the largest density that are left out."""

LogLikelihood = Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True)
class GridPosterior:
    """Cells of one posterior.

    Attributes:
        prior: The prior of theta.
        log_likelihood: The log-likelihood of the observation, (n, 2) -> (n,).
        points: The middles of the cells as u, with shape (M, 2).
        cell: The sides of a cell, with shape (2,).
        weights: The mass of each cell, with shape (M,).
        log_evidence: log Z.
    """

    prior: ProductPrior
    log_likelihood: LogLikelihood
    points: Array
    cell: Array
    weights: Array
    log_evidence: float

    def sample(self, n: int, rng: Generator) -> Array:
        chosen = rng.choice(len(self.weights), n, p=self.weights)
        within = self.cell * (rng.random((n, 2)) - 0.5)
        return self.prior.from_unbounded(self.points[chosen] + within)

    def log_prob(self, theta: Array) -> Array:
        return self.prior.log_prob(theta) + self.log_likelihood(theta) - self.log_evidence


def grid_posterior(
    prior: ProductPrior, log_likelihood: LogLikelihood, sides: Sequence[int] = PIXELS
) -> GridPosterior:
    """Zoom in on the posterior, with `sides` points along each axis of the grids."""
    low, high = np.full(2, -EDGE), np.full(2, EDGE)
    for pixels in sides:
        points, cell = _grid(low, high, pixels)
        log_prior = stats.norm.logpdf(points).sum(-1)
        values = log_likelihood(prior.from_unbounded(points)) + log_prior
        near = points[values > values.max() - _reach(values.reshape(pixels, pixels))]
        low, high = near.min(0) - 1.5 * cell, near.max(0) + 1.5 * cell
    return GridPosterior(
        prior=prior,
        log_likelihood=log_likelihood,
        points=points,
        cell=cell,
        weights=special.softmax(values),
        log_evidence=float(special.logsumexp(values) + np.log(cell.prod())),
    )


def _grid(low: Array, high: Array, pixels: int) -> tuple[Array, Array]:
    """The middles of the cells of a box, with shape (pixels^2, 2), and the sides of a cell."""
    cell = (high - low) / pixels
    axes = (low[i] + cell[i] * (np.arange(pixels) + 0.5) for i in range(2))
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2), cell


def _reach(values: Array) -> float:
    """How far below the largest value the next grid reaches."""
    i, j = np.unravel_index(values.argmax(), values.shape)
    around = values[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
    return max(FLOOR, float(values.max() - around.min()))
