"""Whole simulations are left out, each once; terms are taken that gain more than their error."""

import numpy as np
import pytest

from sbipipe.posteriors.left_out import FOLDS, enough, folds

GROUP = np.repeat(np.arange(40), 3)


def test_every_simulation_is_left_out_once_and_whole():
    parts = [(set(GROUP[kept]), set(GROUP[left_out])) for kept, left_out in folds(GROUP, seed=2)]
    assert len(parts) == FOLDS
    assert all(not kept & left_out for kept, left_out in parts)
    assert sorted(one for _, left_out in parts for one in left_out) == list(range(40))


@pytest.mark.parametrize(("gained", "found"), [(0.5, 0), (1.5, 1), (3.0, 1)])
def test_terms_are_taken_that_gain_more_than_so_many_errors(gained: float, found: int):
    """Rows gain +1 and -1 in turn beside `gained` standard errors; a third row of terms loses."""
    group = np.arange(100)
    swing = np.tile([1.0, -1.0], 50)
    gains = np.stack([np.zeros(100), swing + gained / 10, swing - 1.0])
    assert enough(gains, group) == found
    assert enough(gains, group, errors=2.0) == int(gained > 2)
    assert enough(gains, group, first=1) == 1
