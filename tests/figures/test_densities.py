"""Densities hold what they say they hold, and stay inside the prior."""

from __future__ import annotations

import numpy as np
import pytest

from sbipipe.figures.densities import Density, density
from sbipipe.interfaces import Array
from sbipipe.priors.prior import Normal, ProductPrior, uniform_prior

PRIOR = uniform_prior(a=(-1.0, 1.0), b=(0.0, 10.0))
N = 4000


def _gaussian(seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return np.array([0.1, 5.0]) + np.array([0.05, 0.8]) * rng.standard_normal((N, 2))


def _at(found: Density, points: Array) -> Array:
    cells = [np.abs(axis[:, None] - p).argmin(0) for axis, p in zip(found.axes, points.T)]  # noqa: B905
    return found.values[tuple(cells)]


@pytest.mark.parametrize("content", [0.68, 0.95])
@pytest.mark.parametrize("columns", [[0], [1], [0, 1]])
def test_regions_hold_their_share_of_fresh_draws(columns: list[int], content: float) -> None:
    found = density(_gaussian(0), PRIOR, columns)
    inside = _at(found, _gaussian(1)[:, columns]) >= found.threshold(content)
    # Monte Carlo error of both samples
    assert abs(inside.mean() - content) < 4 * np.sqrt(2 * content * (1 - content) / N)


def test_no_dip_at_the_walls_of_the_prior() -> None:
    draws = PRIOR.sample(20_000, np.random.default_rng(2))
    found = density(draws, PRIOR, [0])
    assert found.axes[0][0] > -1
    assert found.axes[0][-1] < 1
    edge, middle = found.values[:15].mean(), found.values[100:200].mean()
    assert edge == pytest.approx(middle, rel=0.1)


def test_the_grid_is_inside_the_prior() -> None:
    found = density(_gaussian(3), PRIOR, [0, 1])
    theta = np.stack(np.meshgrid(*found.axes), -1)
    assert PRIOR.inside(theta).all()


def test_a_prior_that_is_not_flat_is_in_the_density() -> None:
    prior = ProductPrior({"a": Normal(kind="normal", loc=2.0, scale=3.0)})
    found = density(prior.sample(20_000, np.random.default_rng(4)), prior, [0])
    scaled = found.values / np.trapezoid(found.values, found.axes[0])
    expected = np.exp(prior.log_prob(found.axes[0][:, None]))
    assert np.abs(scaled - expected).max() < 0.1 * expected.max()


def test_a_thin_crescent_stays_thin() -> None:
    rng = np.random.default_rng(5)
    angle = rng.uniform(0, np.pi, 2000)
    radius = 0.8 + 0.02 * rng.standard_normal(2000)
    prior = uniform_prior(a=(-1.0, 1.0), b=(-1.0, 1.0))
    draws = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).clip(-0.999, 0.999)
    found = density(draws, prior, [0, 1])
    assert _at(found, np.array([[0.0, 0.4]]))[0] < 0.05 * _at(found, np.array([[0.0, 0.8]]))[0]


def test_repeated_and_equal_draws_are_drawn() -> None:
    repeated = np.repeat(_gaussian(6)[:200], 10, axis=0)
    assert np.isfinite(density(repeated, PRIOR, [0, 1]).values).all()
    equal = np.tile([0.3, 4.0], (50, 1))
    assert np.isfinite(density(equal, PRIOR, [0]).values).all()
