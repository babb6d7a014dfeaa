"""The gate lets the exact posterior out, and no other."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import binomial, fail, gaussian
from sbipipe.diagnostics.coverage import Coverage
from sbipipe.diagnostics.sbc import Sbc
from sbipipe.diagnostics.tarp import Tarp
from sbipipe.gate.verdict import (
    Power,
    contraction,
    holm,
    judge,
    log_prob_truth,
    run_tests,
    score,
    smallest_width_error,
    to_json,
)
from sbipipe.interfaces import InputError

DIAGNOSTICS = {"sbc": Sbc(), "coverage": Coverage(), "tarp": Tarp()}


def judged(draws, diagnostics=DIAGNOSTICS, level=0.01, seed=0):
    return judge(draws, diagnostics, level, np.random.default_rng([seed, 2]))


@pytest.mark.parametrize("exact", [gaussian, binomial])
def test_the_exact_posterior_is_rejected_at_the_stated_rate_and_no_more(exact):
    """200 repeats at N = 200 and level 0.05; Holm over correlated tests is conservative."""
    rejected = sum(
        any(
            not test.passed
            for test in run_tests(exact(200, s, n=60), DIAGNOSTICS, level=0.05, root=s).values()
        )
        for s in range(200)
    )
    assert rejected <= stats.binom.ppf(0.999, 200, 0.05)
    assert rejected >= 1


@pytest.mark.parametrize("simulations", [500, 1000])
@pytest.mark.parametrize("case", [{"scale": 0.7}, {"scale": 1.3}, {"shift": 0.5}])
def test_wrong_posteriors_are_found_twenty_times_of_twenty(simulations, case):
    found = sum(
        any(
            not test.passed
            for test in run_tests(
                gaussian(simulations, s, n=60, **case), DIAGNOSTICS, level=0.01, root=s
            ).values()
        )
        for s in range(20)
    )
    assert found == 20


@pytest.mark.parametrize(("dimension", "correlation"), [(1, 0.0), (2, 0.0), (3, 0.9), (3, -0.3)])
@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        ({"scale": 0.7}, "overconfident"),
        ({"scale": 1.3}, "underconfident"),
        ({"shift": 0.5}, "biased"),
    ],
)
def test_what_is_wrong_is_named(case, verdict, dimension, correlation):
    given = judged(gaussian(500, 1, dimension=dimension, correlation=correlation, **case))
    assert given.verdict == verdict
    assert not given.published


def test_a_shift_along_a_degenerate_direction_is_no_width_error():
    assert judged(gaussian(500, 1, correlation=-0.9, shift=0.5)).verdict == "biased"


def test_the_exact_posterior_is_published_with_its_controls_found():
    given = judged(gaussian(500, 3))
    assert given.verdict == "calibrated"
    assert given.published
    assert all(control.found for control in given.controls.values())
    assert given.reasons[0] == "None of 5 tests rejects at level 0.01"


def test_reasons_are_words():
    given = judged(gaussian(500, 3, scale=0.7, dimension=1))
    held = given.tests["coverage.hpd"].result.numbers["coverage_0.68"]
    assert any(
        reason.startswith(
            f"Too narrow: 68 % regions hold the truth in {100 * held:.0f} % of 500 simulations "
            "(coverage, adjusted p = "
        )
        for reason in given.reasons
    )


def test_few_simulations_are_inconclusive_but_a_rejection_stands():
    assert judged(gaussian(60, 4)).verdict == "inconclusive"
    assert judged(gaussian(60, 4, scale=0.3)).verdict == "overconfident"


def test_without_a_mandatory_test_nothing_is_called_calibrated():
    given = judged(gaussian(500, 3), {"sbc": Sbc(), "coverage": Coverage()})
    assert given.verdict == "inconclusive"
    assert any("TARP was not run" in reason for reason in given.reasons)


class _Blind:
    """A diagnostic that rejects nothing."""

    def __init__(self, diagnostic):
        self.diagnostic = diagnostic

    def __call__(self, draws, rng):
        return tuple(replace(result, p_value=0.9) for result in self.diagnostic(draws, rng))


def test_diagnostics_that_cannot_fail_do_not_publish():
    blind = {name: _Blind(diagnostic) for name, diagnostic in DIAGNOSTICS.items()}
    given = judged(gaussian(500, 5, scale=0.5), blind)
    assert given.verdict == "inconclusive"
    assert "did not find the draws narrowed" in " ".join(given.reasons)


def test_a_test_more_changes_no_other_p_value():
    draws = gaussian(200, 6)
    some = run_tests(draws, {"tarp": Tarp()}, level=0.01, root=1)
    more = run_tests(draws, DIAGNOSTICS, level=0.01, root=1)
    assert some["tarp.tarp"].result.p_value == more["tarp.tarp"].result.p_value
    assert some["tarp.tarp"].p_adjusted <= more["tarp.tarp"].p_adjusted


def test_equal_seeds_give_equal_verdicts():
    assert to_json(judged(gaussian(100, 7))) == to_json(judged(gaussian(100, 7)))


def test_holm_by_hand():
    np.testing.assert_allclose(
        holm(np.array([0.04, 0.01, 0.03, 0.9])), [0.09, 0.04, 0.09, 0.9], rtol=1e-12
    )


def test_the_power_is_kept_by_the_tests_themselves():
    """Posteriors wrong by the stated error are found about nine times in ten."""
    power = smallest_width_error(n=300, dimension=2, level=0.01 / 5, rng=np.random.default_rng(8))
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
        smallest_width_error(n=n, dimension=2, level=0.002, rng=np.random.default_rng(9))
        for n in (20, 200, 1000)
    ]
    assert errors[0].width_error is None
    assert errors[1].width_error > errors[2].width_error
    assert Power(narrow=0.1, wide=None).width_error is None


def test_sharpness_of_the_conjugate_gaussian():
    """E log N(theta; x/2, 1/2) = -(log(pi) + 1) for D = 2, and the variance halves."""
    draws = gaussian(20_000, 10)
    found = log_prob_truth(draws)
    assert found.mean == pytest.approx(-np.log(np.pi) - 1, abs=4 * found.se)
    assert found.se == pytest.approx(1 / np.sqrt(20_000), rel=0.1)
    assert contraction(draws)["omega_m"] == pytest.approx(0.5, abs=0.01)


def test_the_error_of_a_mean_is_the_bootstraps():
    values = np.random.default_rng(11).standard_exponential(400)
    resampled = np.random.default_rng(12).choice(values, (4000, 400)).mean(1)
    assert score(values).se == pytest.approx(resampled.std(), rel=0.05)


def test_failed_observations_are_counted_and_judged():
    given = judged(fail(gaussian(500, 13), slice(0, 100)))
    assert given.failed == 100
    assert given.verdict == "overconfident"
    assert any("100 of 500 observations could not be sampled" in r for r in given.reasons)


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, 3), slice(0, 100)])
def test_the_json_is_plain_and_has_the_fixed_outline(rows):
    draws = fail(gaussian(100, 14), rows)
    truth = draws.log_prob_truth.copy()
    truth[-1] = -np.inf
    entry = to_json(judged(replace(draws, log_prob_truth=truth)))
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry
    assert set(entry["tests"]) == {
        "sbc.omega_m",
        "sbc.sigma_8",
        "sbc.log_prob",
        "coverage.hpd",
        "tarp.tarp",
    }
    for test in entry["tests"].values():
        assert {"statistic", "p_value", "p_adjusted", "passed", "curve"} <= set(test)
        assert len({len(test["curve"][line]) for line in ("x", "y", "lower", "upper")}) == 1
    assert set(entry["controls"]) == {"narrowed", "widened", "shifted"}
    if rows.stop < 100:
        assert entry["sharpness"]["log_prob_truth"]["infinite"] == 1
        assert entry["sharpness"]["log_prob_truth"]["mean"] is None


def test_nothing_to_judge_is_an_error():
    with pytest.raises(InputError, match="0 diagnostics"):
        judged(gaussian(10, 15), {})
