"""The power that is stated is the power that the tests have."""

import numpy as np
import pytest

from closed_form import record
from sbipipe.config import Gate
from sbipipe.diagnostics.coverage import Coverage
from sbipipe.diagnostics.regions import Regions
from sbipipe.diagnostics.sbc import Sbc
from sbipipe.diagnostics.tarp import Tarp
from sbipipe.gate.power import simulations_needed, smallest_width_error
from sbipipe.gate.testing import run_tests
from sbipipe.gate.verdict import Power

DIAGNOSTICS = {"sbc": Sbc(), "coverage": Coverage(), "tarp": Tarp(), "regions": Regions()}


def one_wrong(n, seed, scale, dimension):
    """Standard normal posteriors, the first parameter's `scale` times as wide as it should be."""
    rng = np.random.default_rng([seed, n])
    theta, draws = rng.standard_normal((n, dimension)), rng.standard_normal((200, n, dimension))
    width = np.where(np.arange(dimension) == 0, scale, 1.0)

    def log_prob(theta):
        return -0.5 * ((theta / width) ** 2).sum(-1)

    return record(width * draws, theta, log_prob, np.ones(dimension), np.zeros(n))


@pytest.mark.parametrize("dimension", [1, 3])
def test_the_power_is_kept_by_the_tests_themselves(dimension):
    """One parameter's width, wrong by the stated error, is found about nine times in ten."""
    power = smallest_width_error(
        n=300, dimension=dimension, tests=dimension + 4, gate=Gate(), rng=np.random.default_rng(8)
    )
    for scale in (1 - power.narrow, 1 + power.wide):
        found = sum(
            any(
                not test.passed
                for test in run_tests(
                    one_wrong(300, s, scale, dimension), DIAGNOSTICS, level=0.01, root=s
                ).values()
            )
            for s in range(30)
        )
        assert found >= 22


def test_the_simulations_that_are_needed_suffice():
    gate = Gate(width_error=0.25)
    n = simulations_needed(dimension=2, tests=6, gate=gate, rng=np.random.default_rng(3))
    seen = smallest_width_error(n=n, dimension=2, tests=6, gate=gate, rng=np.random.default_rng(4))
    assert seen.width_error <= 0.26
    half = smallest_width_error(
        n=n // 2, dimension=2, tests=6, gate=gate, rng=np.random.default_rng(4)
    )
    assert not half.suffices


def test_more_simulations_see_smaller_errors():
    errors = [
        smallest_width_error(n=n, dimension=2, tests=5, gate=Gate(), rng=np.random.default_rng(9))
        for n in (20, 200, 1000)
    ]
    assert errors[0].width_error is None
    assert errors[1].width_error > errors[2].width_error
    assert Power(narrow=0.1, wide=None, needed=0.2, chance=0.9).width_error is None


def test_to_be_surer_takes_a_larger_error():
    even, sure = (
        smallest_width_error(
            n=100, dimension=2, tests=5, gate=Gate(chance=chance), rng=np.random.default_rng(9)
        )
        for chance in (0.5, 0.95)
    )
    assert even.narrow < sure.narrow
    assert even.wide < sure.wide


def test_the_power_suffices_up_to_the_error_that_is_needed():
    assert Power(narrow=0.1, wide=0.15, needed=0.15, chance=0.9).suffices
    assert not Power(narrow=0.1, wide=0.16, needed=0.15, chance=0.9).suffices
    assert not Power(narrow=None, wide=0.1, needed=0.5, chance=0.9).suffices
