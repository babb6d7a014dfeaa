"""A posterior of known width, made too sharp or too wide, and the power that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from rows import rows_of
from sbipipe.interfaces import Array, Dataset, Run, Weights
from sbipipe.priors.prior import uniform_prior
from sbipipe.protocols import Conditioned
from sbipipe.recalibrations.tempered import Tempered
from sbipipe.recalibrations.tempered.likelihoods import likelihoods
from sbipipe.records import InputError, parse
from sbipipe.sampling.condition import condition

PRIOR = uniform_prior(a=(-1.0, 1.0), b=(-1.0, 1.0))


@dataclass(frozen=True)
class Gaussian:
    """x = theta + noise of width sd, with a log-likelihood multiplied by `factor`."""

    sd: float
    factor: float

    def digest(self, x: Array) -> Array:
        return x

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        return -0.5 * self.factor * ((theta - digest) ** 2).sum(-1) / self.sd**2

    def at(self, x: Array) -> Conditioned:
        return condition(self.log_ratio, PRIOR, x)

    @property
    def weights(self) -> Weights:
        return Weights()


def rows(sd: float, count: int) -> Dataset:
    rng = np.random.default_rng(0)
    theta = PRIOR.sample(count, rng)
    return rows_of(theta=theta, x=theta + sd * rng.normal(size=theta.shape))


def make(**changes: Any) -> Tempered:
    return parse(Tempered, changes, "recalibrate.it.config")


@pytest.mark.parametrize("sd", [0.05, 0.001])
@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_a_likelihood_that_is_too_sharp_is_softened_by_as_much(factor: float, sd: float) -> None:
    """The log-likelihood times `factor` asks for 1 / factor, however narrow it is in the prior.

    Of D = 2 parameters and N rows, the error of the power that maximises a Gaussian likelihood is
    1 / sqrt(N D / 2) of itself. Away from the prior's edge, the 68 % regions are disks that hold
    1 - 0.32^(1/factor) of the truths.
    """
    data = rows(sd, 300)
    mended, history = make().fit(Gaussian(sd, factor), data, PRIOR, Run(seed=0))
    strength = history.notes["strength"]
    assert history.notes["strength_error"] == pytest.approx(strength / np.sqrt(len(data)), rel=0.25)
    np.testing.assert_array_equal(mended.weights.arrays["strength"], [strength])
    assert strength == pytest.approx(1 / factor, rel=3 / np.sqrt(len(data)))
    assert history.notes["share_with_it"] == pytest.approx(0.68, abs=3 * _error(0.68, len(data)))

    inner = data.rows((np.abs(data.theta) < 0.5).all(1))
    found = likelihoods(Gaussian(sd, factor), inner, PRIOR, 256, 0)
    held = 1 - 0.32 ** (1 / factor)
    assert found.coverage(1.0, 0.68) == pytest.approx(held, abs=3 * _error(held, len(inner)) + 0.01)


def _error(share: float, count: int) -> float:
    return float(np.sqrt(share * (1 - share) / count))


@pytest.mark.parametrize("power", [0.05, 0.2, 0.7, 2.0])
def test_the_evidence_is_that_of_the_integral(power: float) -> None:
    """Of a Gaussian far from the prior's edges, 2 pi sd^2 / b over the prior's area of 4."""
    sd = 0.02
    data = rows(sd, 200)
    inner = data.rows((np.abs(data.x) < 0.6).all(1))
    found = likelihoods(Gaussian(sd, 1.0), inner, PRIOR, 512, 0)
    expected = np.log(2 * np.pi * sd**2 / power / 4)
    np.testing.assert_allclose(found.log_evidence(power), expected, atol=0.4)
    assert found.log_evidence(power).mean() == pytest.approx(expected, abs=0.03)


def test_draws_are_those_of_the_power_and_restored_weights_give_the_same() -> None:
    raw = Gaussian(0.1, 4.0)
    mended, _ = make().fit(raw, rows(0.1, 600), PRIOR, Run(seed=0))
    again = make().restore(mended.weights, raw, PRIOR)
    x = np.zeros((3, 2))
    draws = [p.at(x).sample(2000, np.random.default_rng(1)).draws for p in (mended, again)]
    np.testing.assert_array_equal(*draws)
    assert draws[0].std(0).mean() == pytest.approx(0.1, rel=0.06)


def test_an_observation_without_a_posterior_is_passed_over() -> None:
    data = rows(0.1, 300)
    spoiled = data.x.copy()
    spoiled[:150] = np.nan
    half = rows_of(theta=data.theta, x=spoiled)
    strength = make().fit(Gaussian(0.1, 2.0), half, PRIOR, Run(seed=0))[1].notes["strength"]
    assert strength == pytest.approx(0.5, rel=3 / np.sqrt(150))


def test_a_power_at_the_end_of_its_range_is_an_error() -> None:
    with pytest.raises(InputError, match=r"config: the best strength is .* at the end"):
        make(most=1.5).fit(Gaussian(0.1, 0.2), rows(0.1, 200), PRIOR, Run(seed=0))


def test_nothing_to_fit_it_to_is_an_error() -> None:
    nothing = rows_of(theta=np.zeros((2, 2)), x=np.full((2, 2), np.nan))
    with pytest.raises(InputError, match="calibrate: given no row"):
        make().fit(Gaussian(0.1, 1.0), nothing, PRIOR, Run(seed=0))


def test_a_posterior_that_proposes_is_drawn_by_its_own_draws() -> None:
    """Of four parameters: the tempered normal by weighed draws of the raw one, none of which is
    asked for elsewhere."""
    prior = uniform_prior(**dict.fromkeys("abcd", (-1.0, 1.0)))
    asked = []

    @dataclass(frozen=True)
    class Own(Gaussian):
        """Draws of its own, N(x, sd^2 / factor) in theta."""

        def log_ratio(self, theta: Array, digest: Array) -> Array:
            asked.append(theta.shape[:2])
            return super().log_ratio(theta, digest)

        def near(self, digest: Array) -> Array:
            return self.propose(64, digest, np.random.default_rng(3))

        def propose(self, n: int, digest: Array, rng: np.random.Generator) -> Array:
            noise = self.sd / np.sqrt(self.factor) * rng.standard_normal((n, *digest.shape))
            return prior.to_unbounded(digest + noise)

        def log_ratios(self, theta: Array, digest: Array) -> Array:
            value = self.log_ratio(theta, digest)
            return np.stack([value, value])

    raw, x = Own(0.05, 2.0), np.zeros((5, 4))
    weights = Weights(
        arrays={
            "strength": np.array([0.5]),
            "column": np.zeros(0),
            "size": np.zeros(0),
            "edges": np.array([0.02, 3.0]),
        }
    )
    samples = make().restore(weights, raw, prior).at(x).sample(4000, np.random.default_rng(1))
    assert (samples.effective_sample_size > 1500).all()
    np.testing.assert_allclose(samples.draws.std(0), 0.05, rtol=0.1)
    np.testing.assert_allclose(samples.draws.mean(0), 0, atol=0.006)
    assert max(n * b for n, b in asked) <= 2 * 4000 * len(x)
