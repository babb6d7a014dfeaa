"""The number that is named is the one that condemns."""

import numpy as np
import pytest

from sbipipe.gate import saying

RANKS = (np.arange(1000) + 0.5) / 1000
"""As uniform as ranks can be."""


def holds(content):
    return f"{content} regions hold the truth"


def test_place_is_the_mean_rank():
    assert saying.place(RANKS**0.5, "h") == (
        "the posterior of h lies too low: the mean rank of the truth among its draws is 0.667 in "
        "1000 simulations, where 0.5 is right"
    )
    assert "lies too high" in saying.place(RANKS**2, "h")


@pytest.mark.parametrize("power", [0.5, 0.9, 1.1, 2.0])
def test_regions_that_are_quoted_are_wrong_on_the_side_of_the_complaint(power):
    """Contents a^p are large where p < 1: regions hold too little."""
    narrow = power < 1
    level = saying.worst_level(RANKS**power, narrow=narrow)
    held = np.mean(RANKS**power <= level)
    assert (held < level) == narrow
    assert saying.worst_level(RANKS**power, narrow=not narrow) is None
    assert saying.width(RANKS**power, holds, narrow=not narrow) == ""
    words = saying.width(RANKS**power, holds, narrow=narrow)
    assert words.startswith(f"{100 * level:.0f} % regions hold the truth in {100 * held:.0f}")


def test_regions_that_readers_know_come_first():
    """All is right there, and the regions of 20 % are too small."""
    u = RANKS.copy()
    u[(u > 0.1) & (u < 0.3)] = 0.3
    assert saying.width(u, holds, narrow=True).startswith("25 % regions hold the truth in 10 %")
    u[u > 0.9] = 1.0
    assert saying.width(u, holds, narrow=True).startswith("95 % regions hold the truth in 90 %")


def test_a_shape_is_said_where_it_strays_most():
    u = np.where(RANKS < 0.4, RANKS**2, RANKS)
    level = 0.05
    assert saying.shape(u, holds).startswith(f"{100 * level:.0f} % regions")
    assert f"in {100 * np.mean(u <= level):.0f} %" in saying.shape(u, holds)


@pytest.mark.parametrize(
    ("share", "words"), [(0.61, "61 %"), (0.684, "68.4 %"), (0.6804, "68.04 %"), (0.68, "68.000 %")]
)
def test_a_share_is_told_apart_from_what_it_should_be(share, words):
    assert saying.percentage(share, 0.68) == words
