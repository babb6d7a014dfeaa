"""The gate lets the exact posterior out, and no other."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import CONTROLS, by_region, fail, gaussian, record
from sbipipe.config import Draw, Gate
from sbipipe.diagnostics.coverage import Coverage
from sbipipe.diagnostics.regions import Regions
from sbipipe.diagnostics.sbc import Sbc
from sbipipe.diagnostics.tarp import Tarp
from sbipipe.gate.controls import controls
from sbipipe.gate.judge import judge
from sbipipe.gate.saying import LEVELS
from sbipipe.gate.verdict import Looks, Verdict
from sbipipe.gate.words import OPENING, reasons, saw
from sbipipe.records import InputError, dump, load
from sbipipe.sets.failures import Failures

GATE = Gate()
DIAGNOSTICS = {"sbc": Sbc(), "coverage": Coverage(), "tarp": Tarp(), "regions": Regions()}


def judged(draws, diagnostics=DIAGNOSTICS, gate=GATE, controls=CONTROLS, seed=0):
    return judge(draws, diagnostics, gate, controls, np.random.default_rng([seed, 2]))


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


def test_what_a_rejecting_test_saw_is_what_its_reason_says():
    given = judged(gaussian(500, 1, scale=0.7))
    for key, words in saw(given).items():
        test = given.tests[key]
        assert words in (" ".join(given.reasons) if not test.passed else test.why)


@pytest.mark.parametrize(
    ("p_value", "words"),
    [(0.0097, "0.0097"), (0.004, "0.004"), (0.00996, "0.00996"), (2.3e-18, "2e-18")],
)
def test_a_p_value_that_rejects_is_not_rounded_up_to_the_level(p_value: float, words: str):
    given = judged(gaussian(500, 1, scale=0.7))
    tests = {key: replace(test, p_adjusted=p_value) for key, test in given.tests.items()}
    said = [*reasons(replace(given, tests=tests), CONTROLS)]
    assert any(f"adjusted p = {words})" in reason for reason in said)


def test_a_shift_along_a_degenerate_direction_is_no_width_error():
    assert judged(gaussian(500, 1, correlation=-0.9, shift=0.5)).verdict == "biased"


def test_the_exact_posterior_is_published_with_its_controls_found():
    given = judged(gaussian(500, 3))
    assert given.verdict == "calibrated"
    assert given.published
    assert all(control.found for control in given.controls.values())
    assert given.reasons[0] == "None of 8 tests rejects at level 0.01"


def test_reasons_are_words():
    given = judged(gaussian(500, 3, scale=0.7, dimension=1))
    held = given.tests["coverage.hpd"].numbers
    assert any(
        reason.startswith(
            f"Too narrow: {100 * level:.0f} % regions hold the truth in "
            f"{100 * held[f'coverage_{level:g}']:.0f} % of 500 simulations (coverage, adjusted p = "
        )
        for level in LEVELS
        for reason in given.reasons
    )


CASES = {
    "overconfident": ({"scale": 0.7}, {"scale": 0.85}, {"scale": 0.8, "shift": 0.05}),
    "underconfident": ({"scale": 1.3}, {"scale": 1.2}, {"scale": 1.25, "shift": 0.05}),
    "biased": ({"shift": 0.5}, {"shift": -0.3}, {"shift": 0.4, "scale": 1.1}),
}
RANK = re.compile(r"lies too (low|high): the mean rank of the truth among its draws is (0\.\d+)")
SHARE = re.compile(r"(\d+) % .*?(?:in|have) (\d+(?:\.\d+)?) % of \d+ simulations")
SPREAD = re.compile(r"have (\d\.\d+) times the variance of uniform ones")


def condemns(reason):
    """What the number of a reason says, by whatever name the reason calls it."""
    if rank := RANK.search(reason):
        assert (rank[1] == "low") == (float(rank[2]) > 0.5)
        return "Biased"
    if share := SHARE.search(reason):
        return "Too narrow" if float(share[2]) < float(share[1]) else "Too wide"
    spread = SPREAD.search(reason)
    assert spread, reason
    return "Too narrow" if float(spread[1]) > 1 else "Too wide"


@pytest.mark.parametrize(
    ("verdict", "case"), [(verdict, case) for verdict, cases in CASES.items() for case in cases]
)
def test_the_number_that_a_reason_names_is_the_one_that_condemns(verdict, case):
    given = judged(gaussian(800, 5, n=50, **case), controls=())
    assert given.verdict == verdict
    named = [reason for reason in given.reasons if reason.startswith(tuple(OPENING.values()))]
    named = [reason for reason in named if "in a region" not in reason]
    assert named[0] == given.reasons[0]
    for reason in named:
        assert condemns(reason) == reason.partition(":")[0] == OPENING[verdict]


def test_a_posterior_wrong_by_region_is_withheld_and_the_region_named():
    """Too narrow for one half and too wide for the other, as widths that are right on average."""
    given = judged(by_region(500, 1, narrow=0.8, wide=1.273))
    assert not given.published
    assert not given.tests["regions.regions"].passed
    assert any(
        reason.startswith(("Too narrow in a region: where ", "Too wide in a region: where "))
        for reason in given.reasons
    )


def test_few_simulations_are_inconclusive_but_a_rejection_stands():
    assert judged(gaussian(60, 4)).verdict == "inconclusive"
    assert judged(gaussian(60, 4, scale=0.3)).verdict == "overconfident"


def test_without_a_mandatory_test_nothing_is_called_calibrated():
    given = judged(gaussian(500, 3), {"sbc": Sbc(), "coverage": Coverage()})
    assert given.verdict == "inconclusive"
    assert any("TARP was not run" in reason for reason in given.reasons)


def test_the_width_error_that_must_be_found_is_a_setting():
    """600 simulations show an error of 20 % in one width, and none of 1 %."""
    draws = gaussian(600, 3)
    assert judged(draws).verdict == "calibrated"
    strict = judged(draws, gate=Gate(width_error=0.01))
    assert strict.verdict == "inconclusive"
    assert strict.power.needed == 0.01
    assert strict.reasons[0].endswith("too few to rely on")
    sure = judged(draws, gate=Gate(chance=0.99))
    assert any("with probability 0.99" in reason for reason in sure.reasons)


def test_how_few_draws_are_no_sample_is_a_setting():
    draws = gaussian(400, 3)
    size = np.where(np.arange(400) < 80, 30.0, draws.effective_sample_size)
    few = replace(draws, effective_sample_size=size)
    assert judged(few, gate=Gate(fewest_draws=30)).failed == 0
    strict = judged(few, gate=Gate(fewest_draws=31))
    assert strict.failed == strict.sharpness.log_prob_truth.failed == 80
    assert strict.verdict == "overconfident"


def test_a_control_that_is_hardly_spoiled_is_not_found():
    draws = gaussian(400, 3)
    stored = {**draws.log_prob_controls, "narrowed": draws.log_prob_truth}
    weak = controls(Draw(narrowed=0.999))
    given = judged(replace(draws, log_prob_controls=stored), controls=weak)
    assert not given.controls["narrowed"].found
    assert given.verdict == "inconclusive"
    words = "narrowed to 0.999 of their width, so passing them means little"
    assert any(words in reason for reason in given.reasons)


def test_the_prior_itself_is_uninformative():
    draws = gaussian(500, 3)
    prior = np.random.default_rng(1).standard_normal(draws.draws.shape)

    def log_prob(theta):
        return -0.5 * (theta**2).sum(-1) - np.log(2 * np.pi)

    given = judged(
        record(prior, draws.theta, log_prob, draws.prior_variance, log_prob(draws.theta))
    )
    assert given.verdict == "uninformative"
    assert not given.published
    assert given.gain.nats.mean == pytest.approx(0, abs=1e-12)
    assert "consistent with none" in given.reasons[0]


SHAPES = {
    "a Gaussian for an exponential": (stats.expon(-1), stats.norm()),
    "heavy tails and a peak for a Gaussian": (stats.norm(), stats.t(3, scale=3**-0.5)),
}


@pytest.mark.parametrize(("right", "claimed"), SHAPES.values(), ids=SHAPES)
def test_a_wrong_shape_of_the_right_place_and_width_is_named(right, claimed):
    """Of two parameters, the first has posteriors of another shape with equal mean and variance."""
    rng = np.random.default_rng(6)
    x = 3 * rng.standard_normal((800, 2))
    theta = x + right.rvs((800, 2), random_state=rng)
    drawn = x + right.rvs((200, 800, 2), random_state=rng)
    drawn[..., 0] = x[:, 0] + claimed.rvs((200, 800), random_state=rng)

    def log_prob(theta):
        away = theta - x
        return claimed.logpdf(away[..., 0]) + right.logpdf(away[..., 1])

    given = judged(record(drawn, theta, log_prob, np.full(2, 10.0), np.full(800, -9.0)))
    assert given.verdict == "misshapen"
    assert given.tests[given.cause].shape.left > 1 / 3
    assert given.reasons[0].startswith("Wrong shape: ")
    assert "omega_m" in given.reasons[0]
    assert "The best shift and width leave" in given.reasons[1]
    assert not any(reason.startswith(("Too", "Biased")) for reason in given.reasons)


def test_reasons_begin_with_what_condemns_and_contradict_nothing():
    """One parameter too narrow, another too wide, the first more so."""
    draws = gaussian(800, 7)
    mean = draws.draws.mean(0)
    drawn = mean + np.array([0.6, 1.2]) * (draws.draws - mean)
    preimage = mean + (draws.theta - mean) / np.array([0.6, 1.2])

    def log_prob(theta):
        return -((theta - mean) ** 2).sum(-1)

    given = judged(
        replace(
            draws,
            draws=drawn,
            log_prob=log_prob(draws.draws),
            log_prob_truth=log_prob(preimage),
        ),
        controls=(),
    )
    assert given.verdict == "overconfident"
    assert given.reasons[0].startswith("Too narrow: ")
    assert given.tests[given.cause].p_adjusted < 1e-6
    assert not any(reason.startswith("Too wide") for reason in given.reasons)
    assert any("of omega_m is 0.6" in reason for reason in given.reasons)
    assert given.margins["sigma_8"].width.low > 1


def test_failed_simulations_and_looks_are_reasons():
    failures = Failures(
        failed=30, simulations=900, p_value=0.001, parameter="sigma_8", mean_quantile=0.9
    )
    given = judge(
        gaussian(500, 3),
        DIAGNOSTICS,
        GATE,
        (),
        np.random.default_rng(0),
        failures=failures,
        looks=Looks(estimator=2, split=7),
    )
    assert "30 of 900 simulations failed, and that depends on sigma_8" in given.reasons[-2]
    assert "had been looked at 7 times, 2 of them for this estimator" in given.reasons[-1]
    assert load(Verdict, dump(given), "coverage.json").looks == given.looks


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


def test_equal_seeds_give_equal_verdicts():
    assert judged(gaussian(100, 7)) == judged(gaussian(100, 7))


def test_failed_observations_are_counted_and_judged():
    given = judged(fail(gaussian(500, 13), slice(0, 100)))
    assert given.failed == 100
    assert given.verdict == "overconfident"
    assert given.reasons[0].startswith("100 of 500 observations could not be sampled")
    few = judged(fail(gaussian(500, 13, scale=0.5), slice(0, 5))).reasons
    assert [r.startswith("5 of 500 observations") for r in few].index(True) > 0


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, 3), slice(0, 100)])
def test_what_is_dumped_is_loaded(rows):
    draws = fail(gaussian(100, 14), rows)
    truth = draws.log_prob_truth.copy()
    truth[-1] = -np.inf
    given = judged(replace(draws, log_prob_truth=truth))
    plain = dump(given)
    assert dump(load(Verdict, plain, "coverage.json")) == plain
    found = plain["sharpness"]["log_prob_truth"]
    assert found["mean"] is None
    assert found["infinite"] == given.sharpness.log_prob_truth.infinite == int(rows.stop < 100)


def test_nothing_to_judge_is_an_error():
    with pytest.raises(InputError, match="0 diagnostics"):
        judged(gaussian(10, 15), {})
