"""Smooth densities from posterior draws, on a grid that ends where the prior ends.

Draws are taken to the unit cube of the prior's margins, counted on a grid there, and smoothed with
a Gaussian that is reflected at the walls: no mass leaves the support of a parameter. (An edge that
depends on another parameter is no wall, and is smoothed over.) The density in theta is that in the
cube times that of the margins. The width of the Gaussian is a multiple of the draws' spread: the
largest for which each half of the draws gives the other nearly the highest likelihood
(cross-validation), which keeps thin crescents thin and smooths round clouds. Equal draws, as from
weighted samples, share a half.

Smoothing widens a density. So the region that holds a share of the probability is bounded by the
density that this share of the *draws* exceeds: it holds what it says, however smooth its shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.ndimage import gaussian_filter

from sbipipe.interfaces import Array, Index
from sbipipe.protocols import Prior

CELLS = {1: 300, 2: 120}
"""Along each axis, for a density over one or two parameters."""

CONTENTS = (0.95, 0.68)
"""The probability inside the outer and the inner line of a pair of parameters."""

_WIDTHS = np.geomspace(0.08, 0.35, 8)
"""Of the Gaussian, in spreads of the draws."""

SLACK = 0.004
"""Likelihood given up for smoothness [nats per draw]."""


@dataclass(frozen=True, kw_only=True)
class Density:
    """A density over one or two parameters.

    Attributes:
        axes: Centres of the cells along each axis [units of the parameter].
        values: Density in theta, up to a constant.
        at_draws: The same at each draw, with shape (n,).
    """

    axes: tuple[Array, ...]
    values: Array
    at_draws: Array

    def threshold(self, content: float) -> float:
        """The density at the edge of the highest-density region that holds `content`."""
        return float(np.quantile(self.at_draws, 1 - content))

    @property
    def normalised(self) -> Array:
        """The values over one parameter, with an integral of one."""
        return np.asarray(self.values / np.trapezoid(self.values, self.axes[0]))


def density(draws: Array, prior: Prior, columns: Sequence[int]) -> Density:
    """The density of one or two columns of the draws.

    Args:
        draws: With shape (n, D), inside the prior's support.
        columns: Which parameters.
    """
    prior = prior.margins
    q = prior.to_unit(draws)[:, list(columns)]
    edges = [_edges(values, CELLS[len(columns)]) for values in q.T]
    spread = np.array([_spread(v) / (e[1] - e[0]) for v, e in zip(q.T, edges, strict=True)])
    width = _best_width(q, edges, spread) * spread
    counts = gaussian_filter(np.histogramdd(q, edges)[0], width, mode="reflect")
    sides = [_axis(prior, i, e) for i, e in zip(columns, edges, strict=True)]
    values = counts * reduce(np.multiply.outer, [weight for _, weight in sides])
    cells = tuple(_cells(v, e) for v, e in zip(q.T, edges, strict=True))
    return Density(axes=tuple(theta for theta, _ in sides), values=values, at_draws=values[cells])


def _edges(q: Array, cells: int) -> Array:
    """Around all draws with a margin, but never beyond the unit interval."""
    margin = 0.15 * max(float(np.ptp(q)), 1e-9)
    return np.linspace(max(0.0, q.min() - margin), min(1.0, q.max() + margin), cells + 1)


def _cells(q: Array, edges: Array) -> Index:
    """The cell of each draw."""
    return np.clip(np.searchsorted(edges, q, side="right") - 1, 0, len(edges) - 2)


def _spread(q: Array) -> float:
    quartiles = np.quantile(q, [0.25, 0.75])
    spreads = [value for value in (np.std(q), np.ptp(quartiles) / 1.349) if value > 0]
    return float(min(spreads, default=1e-9))


def _best_width(q: Array, edges: Sequence[Array], spread: Array) -> float:
    """The multiple of the spread with the highest cross-validated likelihood."""
    _, which = np.unique(q, axis=0, return_inverse=True)
    half = np.random.default_rng(0).permutation(which.max() + 1)[which] % 2 == 0
    counts = [np.histogramdd(q[part], edges)[0] for part in (half, ~half)]
    if min(count.sum() for count in counts) == 0:
        return float(_WIDTHS[-1])

    def likelihood(width: float) -> float:
        smooth = [gaussian_filter(c / c.sum(), width * spread, mode="reflect") for c in counts]
        floor = 0.1 / len(q) / counts[0].size
        return float(
            (counts[1] * np.log(smooth[0] + floor)).sum()
            + (counts[0] * np.log(smooth[1] + floor)).sum()
        )

    found = np.array([likelihood(width) for width in _WIDTHS])
    return float(_WIDTHS[np.flatnonzero(found >= found.max() - SLACK * len(q))[-1]])


def _axis(prior: Prior, column: int, edges: Array) -> tuple[Array, Array]:
    """Centres of the cells in theta, and the prior's density there up to a constant."""
    q = np.full((len(edges) - 1, len(prior.names)), 0.5)
    q[:, column] = (edges[1:] + edges[:-1]) / 2
    theta = prior.from_unit(q)
    return theta[:, column], np.exp(prior.log_prob(theta))
