"""The prior that parameters were drawn from is guessed, or said to be unknown."""

from __future__ import annotations

import numpy as np
import pytest

from sbipipe.init.guess import guess, roundest
from sbipipe.interfaces import Array
from sbipipe.priors.prior import uniform_prior
from sbipipe.sets.splits import design


def of(*columns: Array) -> dict:
    theta = np.stack(columns, 1)
    names = tuple("abcdef"[: len(columns)])
    return dict(guess(theta, np.arange(len(theta)), names).prior)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("count", [200, 5000])
def test_the_edges_of_uniform_parameters_are_found(rng: np.random.Generator, count: int) -> None:
    found = of(rng.uniform(0.1, 0.5, count), np.exp(rng.uniform(np.log(0.01), np.log(20), count)))
    assert (found["a"]["kind"], found["b"]["kind"]) == ("uniform", "log_uniform")
    assert found["a"]["low"] == pytest.approx(0.1, abs=5 * 0.4 / count)
    assert found["a"]["high"] == pytest.approx(0.5, abs=5 * 0.4 / count)
    assert np.log(found["b"]["high"]) == pytest.approx(np.log(20), abs=5 * np.log(2000) / count)


def test_a_sequence_of_many_points_has_its_very_edges() -> None:
    theta = design(uniform_prior(a=(0.1, 0.5), b=(-3.0, 0.0)), "train", 4096, 1)
    assert of(*theta.T) == {
        "a": {"kind": "uniform", "low": 0.1, "high": 0.5},
        "b": {"kind": "uniform", "low": -3.0, "high": 0.0},
    }


def test_a_grid_lies_inside_its_prior() -> None:
    a, b = np.meshgrid(np.linspace(1, 2, 21), np.linspace(0, 1, 11))
    found = of(a.ravel(), b.ravel())
    assert found["a"]["low"] < 1 < 2 < found["a"]["high"]
    assert found["a"]["high"] - found["a"]["low"] == pytest.approx(1.05, abs=0.03)


def test_what_is_not_uniform_is_as_drawn(rng: np.random.Generator) -> None:
    names = ("a", "b")
    theta = np.stack([rng.normal(3, 0.1, 2000), rng.uniform(0, 1, 2000)], 1)
    found = guess(theta, np.arange(2000), names)
    assert found.prior["kind"] == "as_drawn"
    assert found.prior["within"]["a"]["kind"] == "normal"
    assert found.prior["within"]["b"] == {"kind": "uniform", "low": 0.0, "high": 1.0}
    assert found.why == ("a is not uniform",)


def test_parameters_that_depend_on_each_other_are_as_drawn(rng: np.random.Generator) -> None:
    a = rng.uniform(0, 1, 2000)
    b = (a + 0.3 * rng.uniform(0, 1, 2000)) % 1
    found = guess(np.stack([a, b], 1), np.arange(2000), ("a", "b"))
    assert found.why == ("a and b depend on each other",)


@pytest.mark.parametrize(
    ("low", "high", "number"),
    [(0.0997, 0.1002, 0.1), (-0.2, 0.3, 0.0), (-3.004, -2.9999, -3.0), (1234.0, 1234.0, 1234.0),
     (0.12341, 0.12349, 0.12345), (1.9e6, 2.04e6, 2e6)],
)  # fmt: skip
def test_the_roundest_number_has_the_fewest_digits(low: float, high: float, number: float) -> None:
    found = roundest(low, high)
    assert low <= found <= high
    assert len(f"{found:.12g}".strip("-0.")) <= len(f"{number:.12g}".strip("-0."))
