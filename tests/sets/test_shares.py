"""The shares that nobody has written follow what the gate needs."""

import numpy as np
import pytest

from sbipipe.config import Gate
from sbipipe.gate.power import simulations_needed
from sbipipe.interfaces import SPLITS
from sbipipe.sets.shares import LARGEST_TEST, TEST, default_shares


@pytest.mark.parametrize("dimension", [1, 2, 6])
def test_the_test_split_shows_what_the_gate_asks_for(dimension):
    """With 2 D + 8 tests, more than there are now."""
    needed = simulations_needed(
        dimension=dimension, tests=2 * dimension + 8, gate=Gate(), rng=np.random.default_rng(0)
    )
    assert needed is not None
    assert needed <= TEST


@pytest.mark.parametrize("simulations", [0, 100, 1000, 2400, 10_000, 1_000_000])
def test_shares_are_whole_and_no_larger_than_they_must_be(simulations):
    shares = default_shares(simulations)
    assert sum(shares[split] for split in SPLITS) == pytest.approx(1)
    assert shares.test <= LARGEST_TEST
    assert shares.test * simulations <= TEST + 1e-9
    assert shares.train >= 0.6 - 1e-12
