"""The shares of the splits of simulations made elsewhere, where nobody has written any.

The gate has to see one parameter's width that is wrong by 20 %: for up to six parameters, `TEST`
simulations do. Of a few thousand simulations that is more than can be spared, so the test split
takes no more than `LARGEST_TEST` of all, and the gate then sees larger errors alone
(`gate.width_error`); of a hundred thousand it is next to nothing, and the rest goes to training.
"""

from __future__ import annotations

from sbipipe.config import Simulations

TEST = 600
"""Test simulations that show an error of 20 % in the width of one of up to six parameters."""

LARGEST_TEST = 0.25
"""The largest share of all simulations that is kept for the test."""

VALID, CALIBRATE = 0.1, 0.05


def default_shares(simulations: int) -> Simulations:
    """The shares of so many simulations."""
    test = min(TEST / max(simulations, 1), LARGEST_TEST)
    train = 1 - VALID - CALIBRATE - test
    return Simulations(train=train, valid=VALID, calibrate=CALIBRATE, test=test)


__all__ = ["LARGEST_TEST", "TEST", "default_shares"]
