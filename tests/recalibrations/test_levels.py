"""Gaussians and Student's t in one, two and four dimensions, claimed with a wrong width or tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from rows import rows_of
from sbipipe.interfaces import Array, Dataset, Generator, Run, Samples, Weights
from sbipipe.priors.prior import ProductPrior, uniform_prior
from sbipipe.recalibrations.levels import Levels, _log_f, _statistics
from sbipipe.records import InputError, parse

CALIBRATE, TEST = 800, 1600


@dataclass(frozen=True)
class Noise:
    """A Gaussian of this width about zero, or Student's t."""

    dims: int
    width: float = 1.0
    freedom: float | None = None

    def sample(self, n: int, rng: Generator) -> Array:
        z = self.width * rng.standard_normal((n, self.dims))
        if self.freedom is None:
            return z
        return np.asarray(z / np.sqrt(rng.chisquare(self.freedom, n) / self.freedom)[:, None])

    def log_prob(self, z: Array) -> Array:
        unit, square = self.dims * np.log(self.width), (z**2).sum(-1) / self.width**2
        if self.freedom is None:
            return np.asarray(-0.5 * square - unit - 0.5 * self.dims * np.log(2 * np.pi))
        half = (self.freedom + self.dims) / 2
        constant = special.gammaln(half) - special.gammaln(self.freedom / 2) - unit
        constant -= 0.5 * self.dims * np.log(self.freedom * np.pi)
        return np.asarray(constant - half * np.log1p(square / self.freedom))


@dataclass(frozen=True)
class Claimed:
    """A posterior of theta about x, also as one conditioned on x."""

    noise: Noise
    x: Array | None = None

    def at(self, x: Array) -> Claimed:
        return Claimed(self.noise, x)

    def digest(self, x: Array) -> Array:
        return x

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        return self.noise.log_prob(theta - digest)

    def sample(self, n: int, rng: Generator) -> Samples:
        assert self.x is not None
        draws = self.x + self.noise.sample(n * len(self.x), rng).reshape(n, *self.x.shape)
        size = np.full(len(self.x), float(n))
        return Samples(draws=draws, log_prob=self.log_prob(draws), effective_sample_size=size)

    def log_prob(self, theta: Array) -> Array:
        assert self.x is not None
        return self.noise.log_prob(theta - self.x)

    @property
    def weights(self) -> Weights:
        return Weights()


def prior(dims: int) -> ProductPrior:
    return uniform_prior(**{f"p{i}": (-1e3, 1e3) for i in range(dims)})


def rows(noise: Noise, count: int, seed: int, **more: Any) -> Dataset:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-5, 5, (count, noise.dims))
    return rows_of(theta=x + noise.sample(count, rng), x=x, **more)


def make(**changes: Any) -> Levels:
    return parse(Levels, changes, "recalibrate.it.config")


def mend(claimed: Noise, truth: Noise, seed: int = 0) -> tuple[Any, Array, Array, dict[str, Any]]:
    """The mended posterior at test rows, levels of the truth in it, log truth / it, and notes."""
    test = rows(truth, TEST, seed + 1)
    mended, history = make().fit(
        Claimed(claimed), rows(truth, CALIBRATE, seed), prior(truth.dims), Run(seed=seed)
    )
    conditioned = mended.at(test.x)
    at_truth = conditioned.log_prob(test.theta[None])[0]
    levels = (conditioned.sample(400, np.random.default_rng(2)).log_prob > at_truth).mean(0)
    lost = truth.log_prob(test.theta - test.x) - at_truth
    return conditioned, levels, lost, dict(history.notes)


def fits(levels: Array, level: float) -> bool:
    """Whether as many truths lie in the regions as chance in both splits, and draws, allow."""
    variance = level * (1 - level) * (1 / CALIBRATE + 1 / TEST)
    return abs(float((levels < level).mean()) - level) < 3 * np.sqrt(variance) + 1 / 400


@pytest.mark.parametrize("dims", [1, 2, 4])
@pytest.mark.parametrize("width", [0.8, 1.25])
def test_a_wrong_width_is_mended_and_its_price_comes_back(dims: int, width: float) -> None:
    """KL(N(0, 1) || N(0, s^2)) = D (1/s^2 - 1 + log s^2) / 2, and c terms fitted to N rows leave
    c / 2 N of it, give or take as much; so does a rank among 2048."""
    claimed, truth = Noise(dims, width), Noise(dims)
    conditioned, levels, lost, notes = mend(claimed, truth)
    price = 0.5 * dims * (1 / width**2 - 1 + 2 * np.log(width))
    assert notes["terms"] >= 1
    assert notes["nats_gained"] == pytest.approx(price, abs=3 * notes["nats_gained_error"])
    assert lost.mean() < 4 / CALIBRATE + 0.02 * price + 0.002
    for level in (0.5, 0.68, 0.95):
        assert fits(levels, level)
    samples = conditioned.sample(400, np.random.default_rng(3))
    spread = (samples.draws - conditioned.conditioned.x).std()
    assert spread == pytest.approx(1, abs=3 / np.sqrt(2 * dims * CALIBRATE) + 0.01)
    assert (samples.effective_sample_size > 200).all()


@pytest.mark.parametrize("dims", [1, 2, 4])
def test_tails_that_are_too_heavy_are_mended(dims: int) -> None:
    claimed, truth = Noise(dims, freedom=5), Noise(dims)
    _, levels, lost, notes = mend(claimed, truth)
    test = rows(truth, TEST, 1)
    z = test.theta - test.x
    price = float((truth.log_prob(z) - claimed.log_prob(z)).mean())
    assert notes["nats_gained"] == pytest.approx(price, abs=3 * notes["nats_gained_error"])
    assert lost.mean() < 0.1 * price + 4 / CALIBRATE
    assert fits(levels, 0.68)
    assert fits(levels, 0.95)


@pytest.mark.parametrize("dims", [1, 2, 4])
def test_tails_that_are_too_light_are_mended_as_far_as_draws_reach(dims: int) -> None:
    """Of Student's t with ten degrees of freedom, claimed to be normal, half of the price lies
    beyond what 2048 draws can see; the rest comes back, and the regions hold what they claim."""
    claimed, truth = Noise(dims), Noise(dims, freedom=10)
    test = rows(truth, TEST, 1)
    z = test.theta - test.x
    price = float((truth.log_prob(z) - claimed.log_prob(z)).mean())
    _, levels, lost, _ = mend(claimed, truth)
    assert lost.mean() < 0.5 * price
    assert fits(levels, 0.68)
    assert fits(levels, 0.95)


@pytest.mark.parametrize("dims", [1, 2, 4])
def test_what_is_right_is_hardly_touched(dims: int) -> None:
    """Whether terms are taken is chance; K of them cost chi-squared of K degrees over 2 N."""
    _, levels, lost, notes = mend(Noise(dims), Noise(dims))
    assert notes["nats_gained"] < 2 * notes["nats_gained_error"] + 1 / CALIBRATE
    worst = stats.chi2(make().terms).isf(0.001) / (2 * CALIBRATE)
    assert lost.mean() < worst + 3 * lost.std() / np.sqrt(TEST)
    assert fits(levels, 0.68)


@pytest.mark.parametrize("dims", [1, 3])
def test_the_first_term_is_the_ratio_of_two_gaussians(dims: int) -> None:
    """log f is linear in r^2, the chi-squared quantile of the level, with slope (1 - s^2) / 2."""
    points, width = 2048, 0.8
    rng = np.random.default_rng(0)
    radius = rng.chisquare(dims, 200_000) / width**2
    rank = np.floor(stats.chi2(dims).cdf(radius) * (points + 1)).astype(int)
    table = _log_f(np.minimum(rank, points), _statistics(points, dims, 1))
    assert np.exp(table).mean() == pytest.approx(1)
    quantile = stats.chi2(dims).ppf((np.arange(points + 1) + 0.5) / (points + 1))
    slope = (table[-1] - table[0]) / (quantile[-1] - quantile[0])
    assert slope == pytest.approx((1 - width**2) / 2, abs=0.005)


def test_rows_of_one_simulation_count_once_for_the_error() -> None:
    """Each row four times: the same map but for the prior's one row, an error twice as large as
    four times as many rows would have."""
    truth, claimed = Noise(2), Claimed(Noise(2, 0.7))
    alone = rows(truth, 300, 0)
    fourfold = alone.rows(np.repeat(np.arange(300), 4))
    notes = [
        make().fit(claimed, given, prior(2), Run(seed=0))[1].notes for given in (alone, fourfold)
    ]
    assert notes[0]["simulations"] == notes[1]["simulations"] == 300
    assert notes[1]["nats_gained"] == pytest.approx(notes[0]["nats_gained"], rel=0.1)
    assert notes[1]["nats_gained_error"] == pytest.approx(notes[0]["nats_gained_error"], rel=0.15)


@pytest.mark.parametrize("spoiled", [0, 100])
def test_too_few_simulations_are_one_line_that_says_how_many(spoiled: int) -> None:
    given = rows(Noise(2), 39 + spoiled, 0)
    given.x[39:] = np.nan
    with pytest.raises(InputError) as raised:
        make().fit(Claimed(Noise(2)), given, prior(2), Run(seed=0))
    assert raised.value.problems == (
        "calibrate: given 39 simulations that have a posterior; "
        "allowed for kind levels: at least 40",
    )
