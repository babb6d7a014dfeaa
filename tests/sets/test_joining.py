"""Two sets of vectors beside each other."""

from __future__ import annotations

import numpy as np
import pytest

from rows import rows_of
from sbipipe.interfaces import Vectors
from sbipipe.records import InputError
from sbipipe.sets.joining import join

THETA = np.arange(8.0).reshape(4, 2)
ONE = rows_of(theta=THETA, x=np.arange(4.0)[:, None])
OTHER = rows_of(theta=THETA, x=np.arange(8.0).reshape(4, 2))


def test_rows_stand_beside_each_other() -> None:
    found = join(("a", ONE), ("b", OTHER), where="join.both")
    np.testing.assert_array_equal(found.x, np.hstack([ONE.x, OTHER.x]))
    assert found.data == Vectors(components=("a: x0", "b: x0", "b: x1"))
    np.testing.assert_array_equal(found.theta, THETA)


def test_a_split_that_one_lacks_is_empty() -> None:
    found = join(("a", ONE), ("b", OTHER.rows(slice(0))), where="join.both")
    assert found.x.shape == (0, 3)


def test_rows_of_other_simulations_are_an_error() -> None:
    moved = rows_of(theta=THETA, x=OTHER.x, group=np.array([1, 0, 2, 3]))
    with pytest.raises(InputError, match=r"join.both: the rows of 'a' \(4\) and 'b' \(4\)"):
        join(("a", ONE), ("b", moved), where="join.both")


def test_fields_are_an_error() -> None:
    fields = rows_of(theta=THETA, x=np.zeros((4, 1, 2, 2)))
    with pytest.raises(InputError, match=r"join.both.beside: given 'b', which holds fields"):
        join(("a", ONE), ("b", fields), where="join.both")
