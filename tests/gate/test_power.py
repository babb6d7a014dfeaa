"""The power that is stated is the power that the tests have."""

import numpy as np

from closed_form import gaussian
from sbipipe.config import Gate
from sbipipe.diagnostics.coverage import Coverage
from sbipipe.diagnostics.regions import Regions
from sbipipe.diagnostics.sbc import Sbc
from sbipipe.diagnostics.tarp import Tarp
from sbipipe.gate.power import smallest_width_error
from sbipipe.gate.testing import run_tests
from sbipipe.gate.verdict import Power

DIAGNOSTICS = {"sbc": Sbc(), "coverage": Coverage(), "tarp": Tarp(), "regions": Regions()}


def test_the_power_is_kept_by_the_tests_themselves():
    """Posteriors wrong by the stated error are found about nine times in ten."""
    power = smallest_width_error(
        n=300, dimension=2, tests=5, gate=Gate(), rng=np.random.default_rng(8)
    )
    for scale in (1 - power.narrow, 1 + power.wide):
        found = sum(
            any(
                not test.passed
                for test in run_tests(
                    gaussian(300, s, scale=scale, n=200), DIAGNOSTICS, level=0.01, root=s
                ).values()
            )
            for s in range(30)
        )
        assert found >= 22


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
