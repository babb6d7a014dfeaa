"""A power that is right nowhere but on average, and one that is right everywhere."""

from __future__ import annotations

import numpy as np
import scipy

from linear_problem import SIMULATOR, simulate
from sbipipe.estimators.exact import Exact
from sbipipe.interfaces import Array, Run, Weights
from sbipipe.legendre import legendre
from sbipipe.recalibrations.tempered import Tempered
from sbipipe.recalibrations.tempered.likelihoods import Likelihoods
from sbipipe.recalibrations.tempered.powers import Powers
from sbipipe.recalibrations.tempered.regions import by_region, path

PRIOR = SIMULATOR.prior
EDGES = (0.02, 3.0)
COLUMNS = 20
"""Numbers of an observation, each with two polynomials."""


def normal(rows: int, sharper: Array, seed: int, dims: int = 3) -> tuple[Likelihoods, Array]:
    """Log-likelihoods of a normal far within the prior, too sharp by factors (rows,), and the
    columns of each row."""
    rng = np.random.default_rng(seed)
    wide = scipy.stats.t(5, scale=2.0)
    points = wide.rvs((400, rows, dims), random_state=rng)
    found = Likelihoods(
        at_points=-0.5 * sharper * (points**2).sum(-1),
        log_weight=-wide.logpdf(points).sum(-1),
        truth=-0.5 * sharper * (rng.standard_normal((rows, dims)) ** 2).sum(-1),
        draws=points,
        row=np.arange(rows),
    )
    return found, np.concatenate(legendre(places(rows, seed)), 1)


def places(rows: int, seed: int) -> Array:
    return np.random.default_rng([seed, 1]).random((rows, COLUMNS))


def chosen(rows: int, sharper: Array, seed: int) -> tuple[Powers, Array, Array]:
    found, columns = normal(rows, sharper, seed)
    start = Powers.one(found.strength(*EDGES), EDGES)
    powers, gains = by_region(found, columns, np.arange(rows), start, 3, seed)
    return powers, gains, columns


def test_a_power_that_is_right_everywhere_stays_one_number() -> None:
    """Of 20 such, at most 4 are made to depend on anything: at 5 %, 99.7 in 100 times."""
    assert sum(len(chosen(200, np.ones(200), seed)[0].size) > 0 for seed in range(20)) <= 4


def test_an_error_that_differs_is_found_where_it_is() -> None:
    """A log-likelihood exp(0.4 P_1) times too large asks for exp(-0.4 P_1), P_1 the first column.
    Per row h is D / 2, so the error of its factor is sqrt(2 / (D N))."""
    rows = 600
    first = legendre(places(rows, 5))[0][:, 0]
    powers, gains, columns = chosen(rows, np.exp(0.4 * first), 5)
    assert powers.column[0] == 0
    error = np.sqrt(2 / 3 / rows)
    assert abs(powers.size[0] + 0.4) < 4 * error
    assert gains.mean() > 0
    found, _ = normal(rows, np.exp(0.4 * first), 5)
    assert abs(found.coverage(powers.at(columns), 0.68) - 0.68) < 4 * np.sqrt(0.68 * 0.32 / rows)


def test_the_slopes_are_those_of_what_is_gained() -> None:
    found, _ = normal(50, np.ones(50), 2)
    b, step = np.linspace(0.5, 1.5, 50), 1e-4
    slope, bend = found.slopes(b)
    ends = [found.gained(b * np.exp(side * step)) for side in (-1, 1)]
    np.testing.assert_allclose((ends[1] - ends[0]) / (2 * step), slope, rtol=1e-4, atol=1e-5)
    assert (bend > 0).all()


def test_the_path_begins_at_the_best_power_for_all() -> None:
    found, columns = normal(300, np.full(300, 2.0), 3)
    begun = next(path(found, columns, Powers.one(1.0, EDGES), 0))
    np.testing.assert_allclose(begun.strength, found.strength(*EDGES), rtol=1e-3)


def test_powers_stay_in_their_range() -> None:
    powers = Powers(strength=1.0, column=np.array([0]), size=np.array([5.0]), edges=EDGES)
    np.testing.assert_allclose(powers.at(np.array([[-9.0], [0.0], [9.0]])), [0.02, 1.0, 3.0])


def test_the_pipeline_mends_each_region_by_its_own_power() -> None:
    """Too sharp where the first datum is positive, too wide where it is not: afterwards the regions
    of both halves hold what they should, and weights say all of it."""

    def log_likelihood(theta: Array, x: Array) -> Array:
        return np.where(x[:, 0] > 0, 2.0, 0.5) * SIMULATOR.log_likelihood(theta, x)

    raw = Exact().restore(Weights(), PRIOR, log_likelihood)
    mended, history = Tempered().fit(raw, simulate(600, seed=21), PRIOR, Run(seed=0))
    assert history.notes["nats_gained_by_region"] > 2 * history.notes["nats_gained_by_region_error"]
    assert history.notes["strength_from"] < history.notes["strength"] < history.notes["strength_to"]
    test = simulate(600, seed=22)
    positive = test.x[:, 0] > 0
    again = Tempered().restore(mended.weights, raw, PRIOR)
    assert again.digest(test.x).shape == (len(test), raw.digest(test.x).shape[1] + 1)
    shares = {}
    for name, one in (("raw", raw), ("mended", again)):
        conditioned = one.at(test.x)
        draws = conditioned.sample(200, np.random.default_rng(0))
        level = (draws.log_prob > conditioned.log_prob(test.theta[None])).mean(0)
        shares[name] = np.array([(level[half] < 0.68).mean() for half in (positive, ~positive)])
    assert (np.abs(shares["raw"] - 0.68) > 0.1).all()
    assert (np.abs(shares["mended"] - 0.68) < 0.08).all()
