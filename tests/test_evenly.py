"""Some of many rows, spread over all of them."""

import numpy as np
import pytest

from sbipipe.evenly import evenly


@pytest.mark.parametrize(("number", "most"), [(0, 5), (1, 5), (5, 5), (7, 5), (1000, 5)])
def test_rows_are_as_many_as_may_be_and_spread_over_all(number: int, most: int):
    found = evenly(number, most)
    assert len(found) == min(number, most)
    assert (np.diff(found) > 0).all()
    if number > 1:
        assert (found[0], found[-1]) == (0, number - 1)
        assert np.ptp(np.diff(found)) <= 1
