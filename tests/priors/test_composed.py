"""Priors of parameters that depend on each other are known in closed form, and so is each map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import integrate, stats

from sbipipe.interfaces import Array
from sbipipe.priors.prior import ComposedPrior, PriorField, ProductPrior, plain
from sbipipe.records import InputError, parse
from sbipipe.sets.declared import departures
from sbipipe.sets.splits import design
from sbipipe.simulators.arrays import Arrays
from sbipipe.studies.priors import declared

COVARIANCE = np.array([[0.04, 0.018], [0.018, 0.0225]])
PAIR = {"kind": "multivariate_normal", "mean": [0.3, 0.8], "sd": [0.2, 0.15], "correlation": 0.6}
TRIANGLE = {
    "a": {"kind": "uniform", "low": 0.0, "high": 2.0},
    "b": {"kind": "uniform", "low": 0.0, "high": "a"},
}
PRIORS: dict[str, dict[str, Any]] = {
    "correlated": {"a, b": PAIR},
    "triangle": TRIANGLE,
    "backwards": {"b": TRIANGLE["b"], "a": TRIANGLE["a"]},
    "linear": {
        "a": {"kind": "normal", "loc": 1.0, "scale": 0.5},
        "b": {"kind": "normal", "loc": "1 - 2 * a", "scale": 0.3},
    },
    "truncated": {
        "a": {"kind": "normal", "loc": 0.0, "scale": 1.0, "low": -0.5},
        "b": {"kind": "normal", "loc": "a", "scale": 0.5, "low": "-1 - a", "high": 3.0},
    },
    "all": {
        "a": {"kind": "uniform", "low": 0.5, "high": "2 * c"},
        "b, c": {"kind": "multivariate_normal", "mean": [0.0, 3.0], "sd": [1.0, 0.2],
                 "correlation": -0.5, "nuisance": ["b"]},
        "d": {"kind": "fixed", "value": 0.7},
        "e": {"kind": "log_uniform", "low": "d", "high": "d + 10"},
    },
}  # fmt: skip


def made(values: Mapping[str, Any]) -> ComposedPrior:
    prior = TypeAdapter(PriorField).validate_python(values)
    assert isinstance(prior, ComposedPrior)
    return prior


@pytest.fixture(params=PRIORS)
def prior(request: pytest.FixtureRequest) -> ComposedPrior:
    return made(PRIORS[request.param])


def test_its_unbounded_space_is_a_standard_normal(prior: ComposedPrior) -> None:
    u = prior.to_unbounded(prior.sample(4000, np.random.default_rng(0)))
    for column in u.T:
        assert stats.kstest(column, stats.norm.cdf).pvalue > 0.001
    away = np.corrcoef(u.T) - np.eye(len(prior.names))
    assert np.abs(away).max() < 4 / np.sqrt(len(u))


def test_its_maps_are_inverse(prior: ComposedPrior) -> None:
    theta = prior.sample(2000, np.random.default_rng(1))
    np.testing.assert_allclose(prior.from_unbounded(prior.to_unbounded(theta)), theta, rtol=1e-7)
    np.testing.assert_allclose(prior.from_unit(prior.to_unit(theta)), theta, rtol=1e-7)
    shaped = theta.reshape(50, 40, -1)
    np.testing.assert_array_equal(prior.log_prob(shaped).ravel(), prior.log_prob(theta))


def test_its_jacobian_is_the_derivative(prior: ComposedPrior) -> None:
    theta, step = prior.sample(60, np.random.default_rng(2)), 1e-6
    theta = theta[(np.abs(prior.to_unbounded(theta)) < 2.5).all(1)]
    rows = [
        (prior.to_unbounded(theta + s) - prior.to_unbounded(theta - s)) / (2 * step)
        for s in step * np.eye(theta.shape[1])
    ]
    expected = np.linalg.slogdet(np.stack(rows, -1))[1]
    np.testing.assert_allclose(prior.log_det_unbounded(theta), expected, atol=1e-3)


def test_its_moments_and_bounds_are_those_of_its_samples(prior: ComposedPrior) -> None:
    theta = prior.sample(40_000, np.random.default_rng(3))
    np.testing.assert_allclose(prior.variance, theta.var(0), rtol=0.06)
    low, high = np.array(prior.bounds).T
    assert ((theta >= low) & (theta <= high)).mean() > 0.995
    assert prior.inside(theta).all()
    assert prior.margins.names == prior.names
    assert prior.margins.inside(theta).all()


def test_sobol_sequences_and_independent_draws_pass_for_it(prior: ComposedPrior) -> None:
    for split in ("train", "test"):
        theta = design(prior, split, 600, 1)
        assert departures(theta, np.arange(len(theta)), prior) == []


def test_other_parameters_do_not_pass_for_it() -> None:
    theta = made(PRIORS["linear"]).sample(2000, np.random.default_rng(0))
    alone = theta.copy()
    alone[:, 1] = np.random.default_rng(1).permutation(theta[:, 1])
    (line, *_) = departures(alone, np.arange(2000), made(PRIORS["linear"]))
    assert "given 2000 simulations" in line
    loose = {"a, b": {**PAIR, "correlation": 0.0}}
    drawn = made(PRIORS["correlated"]).sample(2000, np.random.default_rng(0))
    lines = departures(drawn, np.arange(2000), made(loose))
    assert len(lines) == 1
    assert lines[0].startswith("a and b: ")


@pytest.mark.parametrize("given", [{"covariance": COVARIANCE.tolist()}, {}])
def test_a_joint_normal_is_that_of_scipy(given: dict[str, Any]) -> None:
    values = {"kind": "multivariate_normal", "mean": [0.3, 0.8], **given} if given else PAIR
    prior, known = made({"a, b": values}), stats.multivariate_normal([0.3, 0.8], COVARIANCE)
    theta = prior.sample(4000, np.random.default_rng(4))
    np.testing.assert_allclose(prior.log_prob(theta), known.logpdf(theta), atol=1e-10)
    np.testing.assert_allclose(prior.variance, np.diag(COVARIANCE))
    error = 4 * np.sqrt(2 / len(theta)) * COVARIANCE.max()
    np.testing.assert_allclose(np.cov(theta.T), COVARIANCE, atol=error)


@pytest.mark.parametrize("name", ["triangle", "backwards"])
def test_a_conditional_edge_makes_a_triangle(name: str) -> None:
    prior = made(PRIORS[name])
    a, b = (prior.names.index(one) for one in "ab")
    theta = np.empty((3, 2))
    theta[:, a], theta[:, b] = [0.5, 1.6, 1.0], [0.2, 1.5, 1.1]
    expected = [-np.log(2) - np.log(0.5), -np.log(2) - np.log(1.6), -np.inf]
    np.testing.assert_allclose(prior.log_prob(theta), expected)
    total, _ = integrate.dblquad(
        lambda y, x: np.exp(prior.log_prob(np.array([x, y] if name == "triangle" else [y, x]))),
        0, 2, 0, lambda x: x,
    )  # fmt: skip
    assert total == pytest.approx(1)
    np.testing.assert_allclose(prior.variance[b], 4 / 9 - 0.25, rtol=1e-3)
    assert prior.bounds[b] == (0.0, 2.0)


def test_a_linear_mean_makes_a_joint_normal() -> None:
    prior = made(PRIORS["linear"])
    known = stats.multivariate_normal([1.0, -1.0], [[0.25, -0.5], [-0.5, 1.09]])
    theta = prior.sample(500, np.random.default_rng(5))
    np.testing.assert_allclose(prior.log_prob(theta), known.logpdf(theta), atol=1e-10)
    np.testing.assert_allclose(prior.variance, [0.25, 1.09], rtol=5e-3)


def test_a_truncated_normal_is_that_of_scipy() -> None:
    values = {"a": {"kind": "normal", "loc": 1.0, "scale": 2.0, "low": 0.0, "high": 5.0}}
    prior = TypeAdapter(PriorField).validate_python(values)
    assert isinstance(prior, ProductPrior)
    known = stats.truncnorm(-0.5, 2.0, 1.0, 2.0)
    theta = prior.sample(2000, np.random.default_rng(6))
    np.testing.assert_allclose(prior.log_prob(theta), known.logpdf(theta[:, 0]))
    assert stats.kstest(theta[:, 0], known.cdf).pvalue > 0.001
    assert prior.bounds == ((0.0, 5.0),)
    assert plain(prior) == values


def test_fixed_parameters_are_columns_of_the_simulator_alone() -> None:
    prior = made(PRIORS["all"])
    assert prior.names == ("a", "b", "c", "e")
    assert prior.columns == ("a", "b", "c", "d", "e")
    assert prior.fixed == {"d": 0.7}
    theta = prior.sample(5, np.random.default_rng(0))
    complete = prior.complete(theta)
    np.testing.assert_array_equal(complete[:, 3], 0.7)
    np.testing.assert_array_equal(prior.free(complete), theta)
    np.testing.assert_array_equal(prior.complete(theta[:, None]), complete[:, None])
    assert prior.shown == ("a", "c", "e")


def test_plain_values_come_back(prior: ComposedPrior) -> None:
    theta = prior.sample(10, np.random.default_rng(0))
    np.testing.assert_array_equal(made(plain(prior)).log_prob(theta), prior.log_prob(theta))


# Draws of an earlier chain


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, Array]:
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal([0.3, 0.8], COVARIANCE, 5000)
    return tmp_path, draws


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_draws_of_a_chain_give_back_its_density(chain: tuple[Path, Array], suffix: str) -> None:
    folder, draws = chain
    path = folder / f"chain{suffix}"
    if suffix == ".csv":
        lines = "\n".join(f"{a!r},0,{b!r}" for a, b in draws.tolist())
        path.write_text(f"a,c,b\n{lines}\n")
    else:
        np.savez(path, a=draws[:, 0], b=draws[:, 1])
    prior = made({"a, b": {"kind": "draws", "path": str(path)}})
    known = stats.multivariate_normal([0.3, 0.8], COVARIANCE)
    theta = known.rvs(4000, random_state=1)
    assert (known.logpdf(theta) - prior.log_prob(theta)).mean() < 0.01
    assert (
        len(departures(prior.sample(4000, np.random.default_rng(2)), np.arange(4000), prior)) == 0
    )
    np.testing.assert_allclose(prior.variance, draws.var(0))
    assert prior.source


def test_edges_of_a_chain_are_kept(chain: tuple[Path, Array]) -> None:
    folder, draws = chain
    kept = draws[draws[:, 0] > 0.1]
    np.savez(folder / "chain.npz", one=kept[:, 0], two=kept[:, 1])
    values = {"kind": "draws", "path": str(folder / "chain.npz"), "columns": ["one", "two"],
              "low": {"a": 0.1}, "nuisance": ["b"]}  # fmt: skip
    prior = made({"a, b": values})
    assert prior.bounds[0][0] == 0.1
    assert (prior.sample(2000, np.random.default_rng(0))[:, 0] > 0.1).all()
    assert np.isneginf(prior.log_prob(np.array([0.09, 0.8])))
    assert prior.shown == ("a",)


# What is wrong


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"a": {"kind": "uniform", "low": 0.0, "high": "b"}},
         r"prior\.a: given in terms of b; allowed parameters: none, since there are no others"),
        ({"a": {"kind": "uniform", "low": 0.0, "high": "a"}, "c": TRIANGLE["a"]},
         r"prior\.a: given in terms of a; allowed parameters: c"),
        ({"a": {"kind": "uniform", "low": 0.0, "high": "b**2"}, "b": TRIANGLE["a"]},
         r"prior\.a\.high: given \"b\*\*2\"; allowed: a number, or other parameters times numbers"),
        ({"a": {"kind": "uniform", "low": 0.0, "high": "b"},
          "b": {"kind": "normal", "loc": "a", "scale": 1.0}},
         r"prior: given parameters in terms of each other \(a of b of a\); allowed: no circle"),
        ({"a": TRIANGLE["a"], "b": {"kind": "uniform", "low": 1.0, "high": "a"}},
         r"prior\.b\.low: given 1\.0, which is not always below high, a; allowed: below it"),
        ({"a": {"kind": "normal", "loc": 0.0, "scale": 1.0},
          "b": {"kind": "normal", "loc": 0.0, "scale": "a"}},
         r"prior\.b\.scale: given a; allowed: above 0"),
        ({"a, b": PAIR, "b": TRIANGLE["a"]}, r"prior: given b twice; allowed: once"),
        ({"a, b": TRIANGLE["a"]},
         r"prior\.a, b\.kind: given 'uniform' for 2 parameters; allowed: for one"),
        ({"a, b": {**PAIR, "mean": [0.3]}},
         r"prior\.a, b\.mean: given 1 numbers; allowed: 2, one for each parameter"),
        ({"a, b": {**PAIR, "correlation": 1.5}},
         r"prior\.a, b\.correlation: given 1\.5; allowed: positive definite"),
        ({"a, b": {**PAIR, "covariance": [[1.0, 0.0], [0.0, 1.0]]}},
         r"prior\.a, b\.covariance: given sd as well; allowed: covariance, or sd and correlation"),
        ({"a, b": {"kind": "multivariate_normal", "mean": [0.0, 0.0],
                   "covariance": [[1.0, 0.1], [0.2, 1.0]]}},
         r"prior\.a, b\.covariance: given a matrix that is not symmetric"),
        ({"a, b": {**PAIR, "nuisance": ["c"]}}, r"prior\.a, b\.nuisance: given 'c'; allowed: a, b"),
        ({"a": {"kind": "fixed", "value": 1.0}},
         r"prior: given none that is learned and shown; allowed: one at least"),
        ({"a": {**TRIANGLE["a"], "nuisance": True}},
         r"prior: given none that is learned and shown; allowed: one at least"),
        ({"a, b": {"kind": "draws", "path": "none.csv"}},
         r"prior\.a, b\.path: given 'none.csv', which is no file"),
        ({"a, b": {"kind": "draws", "path": "none.txt"}},
         r"prior\.a, b\.path: given 'none.txt'; allowed: a file of \.csv, \.npz, \.nc"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(values: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=rf"^simulate\.mine\.config\.{line}"):
        parse(Arrays, {"path": "mine.npz", "prior": values}, "simulate.mine.config")


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"a": [1.0, 2.0]}, "missing: b"),
        ({"a": np.arange(300.0), "b": np.ones(300)}, "one value of b"),
        ({"a": np.arange(50.0), "b": np.arange(50.0)}, "has 50 draws; allowed: 200 or more"),
        ({"a": np.arange(300.0), "b": np.arange(299.0)}, "different shapes"),
        ({"a": np.full(300, np.nan), "b": np.arange(300.0)}, "not finite numbers"),
        (
            {"a": np.arange(300.0), "b": np.arange(300.0) ** 2, "weight": np.arange(300.0)},
            "unequal weight",
        ),
    ],
)
def test_what_is_wrong_with_a_chain_is_named(
    tmp_path: Path, columns: dict[str, Any], problem: str
) -> None:
    np.savez(tmp_path / "chain.npz", **columns)
    values = {"a, b": {"kind": "draws", "path": str(tmp_path / "chain.npz")}}
    with pytest.raises(InputError, match=rf"prior\.a, b\.path: .*{problem}"):
        parse(Arrays, {"path": "mine.npz", "prior": values}, "simulate.mine.config")


def test_ranges_stand_beside_other_parts_in_a_notebook() -> None:
    prior = declared({"a": (0, 2), "b": {"kind": "uniform", "low": 0, "high": "a"}})
    assert prior == made(TRIANGLE)
    with pytest.raises(InputError, match=r"^prior\.a, b\.sd: given \[0\.2, 0\.0\]; allowed: 2"):
        declared({"a, b": {**PAIR, "sd": [0.2, 0.0]}})
