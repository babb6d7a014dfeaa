"""Copies, constants, rows without groups, and edges are named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rows import rows_of
from sbipipe.interfaces import Array
from sbipipe.priors.prior import uniform_prior
from sbipipe.sets import repeats

RNG = np.random.default_rng(0)
THETA, X = RNG.random((50, 2)), RNG.standard_normal((50, 3))
INDEX = np.arange(100, 150)


def test_nothing_is_said_of_independent_rows() -> None:
    rows = rows_of(THETA, X)
    found = [
        *repeats.constant(THETA, ("a", "b")),
        *repeats.ungrouped(THETA),
        *repeats.copied(rows, INDEX),
        *repeats.shared_theta(rows, INDEX),
        *repeats.shared_x(rows, INDEX),
        *repeats.on_the_edge(THETA, uniform_prior(a=(0.0, 1.0), b=(0.0, 1.0))),
        *repeats.given_away(rows, ("a", "b")),
    ]
    assert found == []


def test_a_constant_parameter_is_named() -> None:
    theta = np.column_stack([THETA[:, 0], np.full(50, 0.3)])
    assert list(repeats.constant(theta, ("a", "b"))) == [
        "theta: given 0.3 for b in all rows; allowed: different values"
    ]


@pytest.mark.parametrize(("maps", "count"), [(2, 1), (15, 1), (1, 0)])
def test_rows_of_one_simulation_need_a_group(maps: int, count: int) -> None:
    lines = list(repeats.ungrouped(THETA.repeat(maps, 0)))
    assert len(lines) == count
    if lines:
        assert lines[0].startswith(f"group: missing, while {50 * maps} rows have 50 different")
        assert "(rows 0 and 1 have the same)" in lines[0]


def test_rows_without_parameters_are_no_copies() -> None:
    theta = THETA.copy()
    theta[:40] = np.nan
    assert not list(repeats.ungrouped(theta))
    (line,) = repeats.ungrouped(theta.repeat(2, 0))
    assert "while 20 rows have 10 different theta (rows 80 and 81 have the same)" in line


def test_rounded_parameters_need_no_group() -> None:
    assert not list(repeats.ungrouped(np.random.default_rng(0).random((500, 1)).round(3)))


def _with_copy(theta: Array, x: Array) -> tuple[Array, Array]:
    """Row 20 once more, as row 40."""
    theta, x = theta.copy(), x.copy()
    theta[40], x[40] = theta[20], x[20]
    return theta, x


def test_copies_in_different_groups_are_named() -> None:
    rows = rows_of(*_with_copy(THETA, X))
    (line,) = repeats.copied(rows, INDEX)
    assert line.startswith("theta and x: 2 rows have a copy in another group, ")
    assert "the first are rows 120 and 140" in line


def test_copies_of_one_group_are_in_one_split() -> None:
    theta, x = _with_copy(THETA, X)
    group = np.arange(50)
    group[40] = 20
    rows = rows_of(theta, x, group)
    assert not list(repeats.copied(rows, INDEX))
    assert not list(repeats.shared_theta(rows, INDEX))


def test_whole_numbers_may_be_equal_by_chance() -> None:
    theta, x = _with_copy(THETA, np.floor(10 * X))
    assert not list(repeats.copied(rows_of(theta, x), INDEX))


def test_shared_parameters_are_a_remark() -> None:
    theta, _ = _with_copy(THETA, X)
    rows = rows_of(theta, X)
    assert not list(repeats.copied(rows, INDEX))
    (line,) = repeats.shared_theta(rows, INDEX)
    assert "2 rows have the theta of a row of another group, the first are rows 120 and 140" in line


def test_shared_data_are_a_remark() -> None:
    _, x = _with_copy(THETA, X)
    (line,) = repeats.shared_x(rows_of(THETA, x), INDEX)
    assert "2 rows have the x of a row of another theta, the first are rows 120 and 140" in line


def test_rows_on_an_edge_are_a_remark() -> None:
    theta = THETA.copy()
    theta[7, 1], theta[9, 1] = 0.0, 1.0
    (line,) = repeats.on_the_edge(theta, uniform_prior(a=(0.0, 1.0), b=(0.0, 1.0)))
    assert line.startswith("theta: 2 rows lie on the edge of the prior of b, the first is row 7;")


@pytest.mark.parametrize("of", [lambda b: b, lambda b: -np.exp(b), lambda b: b.round(3)])
def test_a_number_that_is_a_parameter_is_named(of: Callable[[Array], Array]) -> None:
    x = np.column_stack([X[:, 0], of(THETA[:, 1]).astype(np.float32), np.ones(50)])
    (line,) = repeats.given_away(rows_of(THETA, x), ("a", "b"))
    assert line.startswith("x: number 1 tells b exactly, as one follows the other in all 50 rows")
    assert line.endswith("leave number 1 out, or b")


def test_a_step_of_a_parameter_leaves_room() -> None:
    x = np.column_stack([X[:, 0], (THETA[:, 1] > 0.5).astype(float)])
    assert not list(repeats.given_away(rows_of(THETA, x), ("a", "b")))
