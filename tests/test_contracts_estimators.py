"""Laws that every estimator obeys, on the vectors, fields and likelihood surfaces it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import linear_problem
from contracts import kinds, quick, taken
from rows import rows_of
from sbipipe import plugins, storage
from sbipipe.interfaces import Array, Dataset, History, Run
from sbipipe.learning.chebyshev import Basis, nodes, scaled, surface_data
from sbipipe.priors.prior import uniform_prior
from sbipipe.protocols import Estimator, Posterior
from sbipipe.records import InputError
from sbipipe.simulators.lognormal import Lognormal

B = 6
"""Observations."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A simulator of two parameters, and what an estimator may see of it."""

    simulator: Any
    train: Dataset
    valid: Dataset
    test: Dataset


class Surfaces:
    """Log-likelihoods of s seen with normal noise, whose precision differs from row to row."""

    prior = uniform_prior(a=(0.0, 4.0), b=(-1.0, 1.0))
    data = surface_data(2, 2)
    basis = Basis(2, 2)

    def simulate(self, theta: Array, rng: np.random.Generator) -> Array:
        """Coefficients of -|R^T (x - s)|^2 / 2 with x = s + R^-T z, (N, 2) -> (N, 6)."""
        s = scaled(self.prior.to_unit(theta)).numpy()
        root = np.tril(rng.uniform(1, 3, (len(s), 2, 2)))
        z = rng.standard_normal((len(s), 2, 1))
        x = s + np.linalg.solve(np.swapaxes(root, 1, 2), z)[..., 0]
        points = nodes(2, 2)
        missed = (x[:, None] - points.numpy()) @ root
        return -0.5 * (missed**2).sum(-1) @ np.linalg.pinv(self.basis(points).numpy()).T

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        """Up to what depends on x alone, (n, B, 2) and (B, 6) -> (n, B)."""
        terms = self.basis(scaled(self.prior.to_unit(theta))).numpy()
        return np.asarray(np.einsum("nbm,bm->nb", terms, x))


def simulated(simulator: Any, count: int, seed: int, maps: int = 1) -> Dataset:
    """Rows of `count` parameters, `maps` for each."""
    rng = np.random.default_rng(seed)
    theta = np.repeat(simulator.prior.sample(count, rng), maps, 0)
    x, group = simulator.simulate(theta, rng), np.repeat(np.arange(count), maps)
    rows = rows_of(theta, x, group, log_likelihood=simulator.log_likelihood)
    return replace(rows, data=simulator.data)


def problem(simulator: Any, train: int, valid: int) -> Problem:
    parts = (simulated(simulator, count, seed) for seed, count in enumerate((train, valid, B)))
    return Problem(simulator=simulator, **dict(zip(("train", "valid", "test"), parts, strict=True)))


PROBLEMS = (
    problem(linear_problem.SIMULATOR, 1000, 1000),
    problem(Lognormal(pixels=8, box=60.0, output="delta"), 300, 100),
    problem(Surfaces(), 1000, 1000),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind on a problem it takes."""

    kind: str
    problem: Problem
    posterior: Posterior
    history: History

    @property
    def estimator(self) -> Estimator:
        made: Estimator = quick("train", self.kind)
        return made

    def fitted(self, problem: Problem | None = None) -> Posterior:
        return fit(self.kind, problem or self.problem)[0]


def fit(kind: str, problem: Problem, seed: int = 7) -> tuple[Posterior, History]:
    fitted: tuple[Posterior, History] = quick("train", kind).fit(
        problem.train, problem.valid, problem.simulator.prior, Run(seed=seed)
    )
    return fitted


@pytest.fixture(scope="module", params=kinds("train"))
def cases(request: pytest.FixtureRequest) -> list[Case]:
    """One kind on every problem it takes."""
    kind = request.param
    return [
        Case(kind=kind, problem=problem, posterior=posterior, history=history)
        for problem, (posterior, history) in taken(lambda problem: fit(kind, problem), PROBLEMS)
    ]


def test_draws_have_shapes_lie_in_the_prior_and_carry_their_density(cases: list[Case]) -> None:
    for case in cases:
        conditioned = case.posterior.at(case.problem.test.x)
        samples = conditioned.sample(50, np.random.default_rng(0))
        assert samples.draws.shape == (50, B, 2)
        assert samples.log_prob.shape == (50, B)
        assert samples.effective_sample_size.shape == (B,)
        assert (samples.effective_sample_size > 0).all()
        assert (samples.effective_sample_size <= 50).all()
        assert case.problem.simulator.prior.inside(samples.draws).all()
        np.testing.assert_allclose(conditioned.log_prob(samples.draws), samples.log_prob, atol=1e-4)


def test_the_density_integrates_to_one(cases: list[Case]) -> None:
    """Over quantiles of the prior, on a grid that no sampler uses."""
    axis = (np.arange(90) + 0.5) / 90
    q = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2)
    for case in cases:
        prior = case.problem.simulator.prior
        theta = np.repeat(prior.from_unit(q), B, 1)
        log_prob = case.posterior.at(case.problem.test.x).log_prob(theta)
        ratio = np.exp(log_prob - prior.log_prob(theta))
        np.testing.assert_allclose(ratio.mean(0), 1, atol=0.03)


def test_observations_do_not_touch_each_other(cases: list[Case]) -> None:
    for case in cases:
        theta, x = case.problem.test.theta[None], case.problem.test.x
        together = case.posterior.at(x).log_prob(theta)
        alone = [
            case.posterior.at(x[b : b + 1]).log_prob(theta[:, b : b + 1]) for b in range(len(x))
        ]
        np.testing.assert_allclose(together, np.concatenate(alone, 1), atol=0.03)


def test_outside_the_prior_the_density_is_zero(cases: list[Case]) -> None:
    theta = np.full((1, B, 2), np.inf)
    for case in cases:
        assert (case.posterior.at(case.problem.test.x).log_prob(theta) == -np.inf).all()


def test_an_observation_that_is_not_finite_fails_alone(cases: list[Case]) -> None:
    failed = np.arange(B) == 2
    for case in cases:
        x, theta = case.problem.test.x.copy(), case.problem.test.theta[None]
        x[2] = np.nan
        samples = case.posterior.at(x).sample(20, np.random.default_rng(0))
        assert (np.isnan(samples.draws).all((0, 2)) == failed).all()
        assert (np.isnan(samples.log_prob).all(0) == failed).all()
        assert ((samples.effective_sample_size == 0) == failed).all()
        assert (np.isnan(case.posterior.at(x).log_prob(theta))[0] == failed).all()


def test_equal_seeds_give_equal_weights_and_draws(cases: list[Case]) -> None:
    for case in cases:
        again = case.fitted()
        for name, value in case.posterior.weights.arrays.items():
            np.testing.assert_array_equal(again.weights.arrays[name], value)
        draws = [
            p.at(case.problem.test.x).sample(20, np.random.default_rng(3)).draws
            for p in (case.posterior, again)
        ]
        np.testing.assert_array_equal(*draws)


def test_members_differ(cases: list[Case]) -> None:
    for case in cases:
        arrays = case.posterior.weights.arrays
        pairs = [
            (value, arrays[name.replace("member0/", "member1/")])
            for name, value in arrays.items()
            if name.startswith("member0/net") and value.dtype == np.float32 and value.size > 4
        ]
        assert all(np.abs(a - b).max() > 0 for a, b in pairs if np.ptp(a) > 0)


def test_restored_weights_give_the_same_bits(cases: list[Case], tmp_path: Path) -> None:
    for case in cases:
        storage.save_weights(tmp_path / "weights.safetensors", case.posterior.weights)
        weights = storage.load_weights(tmp_path / "weights.safetensors")
        restored = case.estimator.restore(
            weights,
            case.problem.simulator.prior,
            case.problem.simulator.log_likelihood,
            device="cpu",
        )
        theta, x = case.problem.test.theta[None], case.problem.test.x
        np.testing.assert_array_equal(
            restored.at(x).log_prob(theta), case.posterior.at(x).log_prob(theta)
        )


def test_networks_are_put_where_they_are_asked_to(cases: list[Case]) -> None:
    """On torch's device "meta", which holds shapes and no numbers: nothing can be evaluated."""
    for case in cases:
        if any(name.startswith("member") for name in case.posterior.weights.arrays):
            prior, weights = case.problem.simulator.prior, case.posterior.weights
            elsewhere = case.estimator.restore(weights, prior, device="meta")
            with pytest.raises(NotImplementedError, match="meta tensor"):
                elsewhere.at(case.problem.test.x).log_prob(case.problem.test.theta[None])


def test_weights_of_another_configuration_are_an_error(cases: list[Case]) -> None:
    """Quick settings are not the ones by default, wherever there is something to learn."""
    for case in cases:
        if case.posterior.weights.arrays:
            default = plugins.make("train", case.kind, {}, "train.it")
            with pytest.raises(InputError, match=r"given .*; the weights were trained with"):
                default.restore(case.posterior.weights, case.problem.simulator.prior)


def test_what_is_learned_has_a_curve(cases: list[Case]) -> None:
    for case in cases:
        arrays, curves = case.posterior.weights.arrays, case.history.curves
        assert bool(curves) == bool(arrays)
        assert curves.keys() == case.history.chosen.keys()
        for name, curve in curves.items():
            assert len({len(values) for values in curve.values()}) == 1
            assert case.history.chosen[name] in curve["epoch"]
        members = {name.partition("/")[0] for name in arrays if name.startswith("member")}
        if members:
            assert len(case.history.notes["weights"]) == len(members)
            assert sum(case.history.notes["weights"]) == pytest.approx(1)


def test_rows_that_share_theta_are_no_obstacle(cases: list[Case]) -> None:
    for case in cases:
        shared = simulated(case.problem.simulator, 100, 4, maps=5)
        posterior = case.fitted(replace(case.problem, train=shared, valid=shared))
        test = case.problem.test
        assert np.isfinite(posterior.at(test.x).log_prob(test.theta[None])).all()
