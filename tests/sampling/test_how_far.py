"""Drawing says how far it is, within the first block of observations as well."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from linear_posteriors import gaussian, rng

from sbipipe.interfaces import Array
from sbipipe.sampling.condition import condition
from sbipipe.telling import stage
from watch import Watch

LINE = re.compile(r"; (\w[\w ]*), (\d+) of 300 observations(?:, (.*) left)?$")
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def seconds(said: str) -> float:
    number, unit = said.split(" ")
    return float(number) * SECONDS[unit]


@pytest.mark.parametrize("dims", [2, 4])
def test_the_time_left_of_two_blocks_is_nearly_right_from_the_beginning(dims: int):
    """A density of 10 us: the lines say how many observations are done, never fewer than before,
    and what time is left: to half of all of it once a tenth is done, and to a tenth in the second
    block, which is like the first."""
    simulator, x = gaussian(dims, 0.2, 300)
    watch, seen = Watch(), list[tuple[str, int, float, float]]()

    def log_density(theta: Array, x: Array) -> Array:
        value = simulator.log_likelihood(theta, x)
        watch.now += 1e-5 * value.size
        if found := LINE.search(line()):
            label, done, left = found.groups()
            seen.append((label, int(done), watch.now, seconds(left) if left else 0.0))
        return value

    with stage("draw@it", io.StringIO(), clock=watch) as line:
        posterior = condition(log_density, simulator.prior, x)
        posterior.sample(2000, rng(2))
        posterior.log_prob(np.zeros((1000, 300, dims)))
    assert list(dict.fromkeys(one[0] for one in seen)) == [
        "finding posteriors",
        "drawing",
        "densities",
    ]
    for label in ("finding posteriors", "drawing"):
        done, now, left = np.array([one[1:] for one in seen if one[0] == label]).T
        wrong = np.abs(left - (now[-1] - now)) / np.ptp(now)
        assert (np.diff(done) >= 0).all()
        assert len(np.unique(done[done < 256])) > 2
        assert (wrong[done > 30] < 0.5).all()
        assert (wrong[done > 260] < 0.1).all()


def test_nothing_is_counted_where_no_stage_is_open(capsys: pytest.CaptureFixture[str]):
    simulator, x = gaussian(2, 0.5, 3)
    condition(simulator.log_likelihood, simulator.prior, x).sample(10, rng())
    assert capsys.readouterr() == ("", "")
