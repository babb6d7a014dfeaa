r"""The gate: from the diagnostics' results to a verdict, with its own power.

All tests of one estimator are judged together. With p-values sorted, p_(1) <= ... <= p_(m), Holm's
(1979)

    p_adjusted_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))

holds the probability that an exact posterior fails *any* of the m tests to `level`, however they
depend on each other. If one fails, the posterior is

- `biased` where the parameters' ranks are displaced more than they are spread,
- otherwise `overconfident` or `underconfident`, by the sign of the strongest evidence of a wrong
  width (signed area of the coverage, dispersion of the ranks, TARP's area to the curve).

Under the null, sqrt(N) bias, sqrt(12 N) times the signed area, sqrt(N / 0.8) (dispersion - 1) and
sqrt(38.4 N) ATC all tend to a standard normal: that makes them comparable. Displacement and spread
are each summed over the parameters that fail as z = sqrt(max(0, sum z_i^2 - D)).

If none fails, that must mean something. The negative controls (`controls`) have to be found by the
same tests, all three kinds of test have to be there, and the number of simulations N must suffice
to find a width wrong by 20 % nine times in ten; else the verdict is `inconclusive`. The power is
that of the tests of rank and coverage on a D-dimensional Gaussian whose width is wrong by a factor
1 - w or 1 + w: a detection is a p-value below level / m, Holm's first step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from sbipipe.gate import uniformity
from sbipipe.gate.controls import CONTROLS, control_draws
from sbipipe.interfaces import (
    Array,
    Diagnostic,
    Generator,
    InputError,
    PosteriorDraws,
    Result,
)
from sbipipe.seeds import stream

Outcome = Literal["calibrated", "overconfident", "underconfident", "biased", "inconclusive"]

WIDTH_ERROR = 0.2
"""An error of the width that a verdict `calibrated` has to exclude."""

CHANCE = 0.9
"""How often an error must be found for the test to have the power to find it."""

LARGEST = 0.63
"""Errors of the width up to this one are considered."""

ROLES = {"bias": "SBC", "signed_area": "coverage", "atc": "TARP"}
"""The number by which the three mandatory kinds of test are known."""


@dataclass(frozen=True, kw_only=True)
class Test:
    """One result, judged among all tests of its estimator."""

    __test__ = False

    diagnostic: str
    result: Result
    p_adjusted: float
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Found:
    """Whether a negative control was found.

    Attributes:
        by: The tests that rejected it.
        p_adjusted: The smallest.
    """

    found: bool
    by: tuple[str, ...]
    p_adjusted: float


@dataclass(frozen=True, kw_only=True)
class Power:
    """The smallest width errors found nine times in ten; None where beyond `LARGEST`.

    Attributes:
        narrow: A posterior of width 1 - narrow.
        wide: A posterior of width 1 + wide.
    """

    narrow: float | None
    wide: float | None

    @property
    def width_error(self) -> float | None:
        """The larger of the two."""
        return None if self.narrow is None or self.wide is None else max(self.narrow, self.wide)


@dataclass(frozen=True, kw_only=True)
class Score:
    """A mean over observations with its standard error.

    The error is that of a bootstrap over observations in the limit of infinitely many replicates,
    which for a mean is s / sqrt(n).

    Attributes:
        mean: Over the `count` observations that have a value; infinite where one of theirs is.
        se: Not finite where the mean is not.
        median: Over the same.
        finite_mean: Over those whose value is finite.
        infinite: Observations whose value is infinite.
        failed: Observations without a value.
    """

    mean: float
    se: float
    median: float
    finite_mean: float
    infinite: int
    failed: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate says of one estimator.

    Attributes:
        reasons: In words, the most telling first.
        published: Whether the posterior may leave.
        n_test: Independent simulations, the failed ones included.
        failed: Those that could not be sampled; they count as misses in every test.
        tests: By "<diagnostic>.<test>".
        controls: By name.
        log_prob_truth: Mean log posterior at the truth, in nats.
        contraction: Per parameter, 1 - mean posterior variance / prior variance.
        effective_sample_size: Its minimum and median over observations.
    """

    verdict: Outcome
    reasons: tuple[str, ...]
    published: bool
    level: float
    n_test: int
    n_draws: int
    failed: int
    tests: Mapping[str, Test]
    controls: Mapping[str, Found]
    power: Power
    log_prob_truth: Score
    contraction: Mapping[str, float]
    effective_sample_size: tuple[float, float]
    seconds_per_posterior: float


def judge(
    draws: PosteriorDraws,
    diagnostics: Mapping[str, Diagnostic],
    level: float,
    rng: Generator,
) -> Verdict:
    """Test an estimator's draws and its negative controls, and say what follows.

    Args:
        diagnostics: By the name they have in `params.yaml`.
        level: Probability that an exact posterior fails.

    Raises:
        InputError: Where there is nothing to judge or a control's density is missing.
    """
    if not len(draws.theta) or not diagnostics:
        raise InputError(
            f"judge: given {len(draws.theta)} simulations and {len(diagnostics)} diagnostics; "
            f"allowed: at least one of each"
        )
    root = int(rng.integers(2**63))
    tests = run_tests(draws, diagnostics, level=level, root=root)
    controls = {
        control.name: _found(run_tests(control_draws(draws, control), diagnostics, level, root))
        for control in CONTROLS
    }
    power = smallest_width_error(
        n=len(draws.theta),
        dimension=len(draws.parameters),
        level=level / len(tests),
        rng=stream(root, "power"),
    )
    verdict = _outcome(tests, controls, power, len(draws.theta))
    return Verdict(
        verdict=verdict,
        reasons=tuple(_reasons(tests, controls, power, draws, level)),
        published=verdict == "calibrated",
        level=level,
        n_test=len(draws.theta),
        n_draws=len(draws.draws),
        failed=int(uniformity.failed(draws).sum()),
        tests=tests,
        controls=controls,
        power=power,
        log_prob_truth=log_prob_truth(draws),
        contraction=contraction(draws),
        effective_sample_size=_sample_size(draws),
        seconds_per_posterior=draws.seconds,
    )


def run_tests(
    draws: PosteriorDraws, diagnostics: Mapping[str, Diagnostic], level: float, root: int
) -> dict[str, Test]:
    """Every test of every diagnostic, adjusted for their number.

    Each diagnostic has a random stream of its own name: adding one changes no other's p-value.
    """
    found = {
        f"{name}.{result.test}": (name, result)
        for name, diagnostic in diagnostics.items()
        for result in diagnostic(draws, stream(root, "diagnostic", name))
    }
    adjusted = holm(np.array([result.p_value for _, result in found.values()]))
    return {
        key: Test(diagnostic=name, result=result, p_adjusted=float(p), passed=bool(p > level))
        for (key, (name, result)), p in zip(found.items(), adjusted, strict=True)
    }


def holm(p_values: Array) -> Array:
    """Holm's adjusted p-values, (m,) -> (m,)."""
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1, factors * p_values[order]))
    return adjusted


def log_prob_truth(draws: PosteriorDraws) -> Score:
    """Mean log posterior density at the truth, in nats."""
    return score(np.where(uniformity.failed(draws), np.nan, draws.log_prob_truth))


def score(values: Array) -> Score:
    """Mean over observations, (B,); NaN where an observation has no value."""
    known = values[~np.isnan(values)]
    finite = known[np.isfinite(known)]
    whole = len(finite) == len(known) > 0
    return Score(
        mean=float(np.mean(known)) if len(known) else np.nan,
        se=float(np.std(known) / np.sqrt(len(known))) if whole else np.nan,
        median=float(np.median(known)) if len(known) else np.nan,
        finite_mean=float(np.mean(finite)) if len(finite) else np.nan,
        infinite=len(known) - len(finite),
        failed=len(values) - len(known),
        count=len(known),
    )


def contraction(draws: PosteriorDraws) -> dict[str, float]:
    """1 - mean posterior variance / prior variance of each parameter, where sampled."""
    kept = draws.draws[:, ~uniformity.failed(draws)]
    mean = kept.var(0).mean(0) if kept.shape[1] else np.full(len(draws.parameters), np.nan)
    values = 1 - mean / draws.prior_variance
    return dict(zip(draws.parameters, values.tolist(), strict=True))


def smallest_width_error(*, n: int, dimension: int, level: float, rng: Generator) -> Power:
    """What n simulations would find nine times in ten.

    Args:
        dimension: Number of parameters.
        level: Each test's, after correction for their number.
    """
    replicates = int(np.clip(200_000 // (n * dimension), 100, 300))
    z = rng.standard_normal((dimension, replicates, n))
    radius = (z**2).sum(0)
    distance = uniformity.critical_distance(n, level)
    gamma = uniformity.critical_gamma(n, level)

    def power(scale: float) -> float:
        u = special.gammainc(dimension / 2, radius / scale**2 / 2)
        found = uniformity.ks_distance(u) >= distance
        for v in (u, *special.ndtr(z / scale)):
            found |= _gammas(v) <= gamma
        return float(found.mean())

    return Power(
        narrow=_smallest(lambda error: power(1 - error)),
        wide=_smallest(lambda error: power(1 + error)),
    )


def _smallest(power: Callable[[float], float]) -> float | None:
    """Smallest error, in per cent steps, that is found often enough (by bisection)."""
    low, high = 0, round(100 * LARGEST) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle / 100) >= CHANCE else (middle, high)
    return high / 100 if high <= round(100 * LARGEST) else None


def _gammas(u: Array) -> Array:
    """gamma of each row, (R, N) -> (R,)."""
    replicates, n = u.shape
    steps = uniformity.STEPS
    index = np.minimum((u * steps).astype(np.int64), steps - 1)
    index += steps * np.arange(replicates)[:, None]
    counts = np.bincount(index.ravel(), minlength=replicates * steps).reshape(replicates, steps)
    return uniformity.lowest_tail(counts.cumsum(1)[:, :-1], n)


def _found(tests: Mapping[str, Test]) -> Found:
    by = tuple(key for key, test in tests.items() if not test.passed)
    smallest = min(test.p_adjusted for test in tests.values())
    return Found(found=bool(by), by=by, p_adjusted=smallest)


def _outcome(
    tests: Mapping[str, Test], controls: Mapping[str, Found], power: Power, n: int
) -> Outcome:
    if not all(test.passed for test in tests.values()):
        return _failure([test.result for test in tests.values() if not test.passed], n)
    whole = not _missing(tests) and all(control.found for control in controls.values())
    return "calibrated" if whole and _sees(power) else "inconclusive"


def _failure(results: list[Result], n: int) -> Outcome:
    """The name of what is wrong, from all rejecting results together."""
    displaced, spread, widths = _evidence(results, n)
    strongest = max(widths, key=abs, default=0.0)
    if displaced > spread and (displaced > 4 or displaced > abs(strongest)):
        return "biased"
    return "underconfident" if strongest > 0 else "overconfident"


def _evidence(results: list[Result], n: int) -> tuple[float, float, list[float]]:
    """Displacement, spread, and each evidence on the width (positive: too wide), as z-scores."""
    numbers = [result.numbers for result in results]
    shifts = [np.sqrt(n) * a["bias"] for a in numbers if "bias" in a]
    spreads = [np.sqrt(n / 0.8) * (a["dispersion"] - 1) for a in numbers if "dispersion" in a]
    areas = [np.sqrt(12 * n) * a["signed_area"] for a in numbers if "signed_area" in a]
    areas += [np.sqrt(192 * n / 5) * a["atc"] for a in numbers if "atc" in a]
    return _summed(shifts), _summed(spreads), [*areas, *(-z for z in spreads)]


def _summed(z: list[float]) -> float:
    return float(np.sqrt(max(0.0, float(np.square(z).sum()) - len(z))))


def _missing(tests: Mapping[str, Test]) -> list[str]:
    """Mandatory kinds of test that were not run."""
    present = {name for test in tests.values() for name in test.result.numbers}
    return [kind for number, kind in ROLES.items() if number not in present]


def _sees(power: Power) -> bool:
    return power.width_error is not None and power.width_error <= WIDTH_ERROR


def _reasons(
    tests: Mapping[str, Test],
    controls: Mapping[str, Found],
    power: Power,
    draws: PosteriorDraws,
    level: float,
) -> list[str]:
    n, failed = len(draws.theta), int(uniformity.failed(draws).sum())
    rejected = [test for test in tests.values() if not test.passed]
    reasons = [_rejection(test, n) for test in sorted(rejected, key=_plainness)]
    if failed:
        reasons.append(f"{failed} of {n} observations could not be sampled; they count as misses")
    reasons += [
        f"{kind} was not run, without which no posterior is called calibrated"
        for kind in _missing(tests)
    ]
    reasons += [
        f"The tests did not find the draws {control.words}, so passing them means little"
        for control in CONTROLS
        if not rejected and not controls[control.name].found
    ]
    if not rejected:
        reasons.append(f"None of {len(tests)} tests rejects at level {level:g}")
    reasons.append(_power_in_words(power, n))
    return reasons


def _plainness(test: Test) -> tuple[bool, float]:
    """Sorts reasons: that of the densities' ranks last, the others by their p-value."""
    return set(test.result.numbers) <= {"signed_area", "failed"}, test.p_adjusted


def _rejection(test: Test, n: int) -> str:
    p_adjusted = f"{test.p_adjusted:.1g}" if test.p_adjusted > 0 else "below 1e-300"
    where = f"{test.diagnostic}, adjusted p = {p_adjusted}"
    return f"{_leaning(test.result, n)}: {test.result.why} ({where})"


def _leaning(result: Result, n: int) -> str:
    """What one rejected test says is wrong."""
    displaced, spread, widths = _evidence([result], n)
    strongest = max(widths, key=abs, default=0.0)
    if max(displaced, abs(strongest)) < 2:
        return "Wrong shape"
    if displaced > spread and displaced > abs(strongest):
        return "Biased"
    if strongest > 0:
        return "Too wide"
    return "Too narrow or displaced" if "atc" in result.numbers else "Too narrow"


def _power_in_words(power: Power, n: int) -> str:
    error = power.width_error
    if error is None:
        return f"{n} simulations would not show even a width error of {100 * LARGEST:.0f} %"
    words = f"{n} simulations show a width error of {100 * error:.0f} % nine times in ten"
    return words if _sees(power) else f"{words}, but no smaller one: too few to rely on"


def _sample_size(draws: PosteriorDraws) -> tuple[float, float]:
    size = draws.effective_sample_size
    return float(np.min(size)), float(np.median(size))


def to_json(verdict: Verdict) -> dict[str, Any]:
    """One estimator's entry of coverage.json; what is not finite is null."""
    power = verdict.power
    smallest, median = verdict.effective_sample_size
    return {
        "verdict": verdict.verdict,
        "published": verdict.published,
        "n_test": verdict.n_test,
        "reasons": list(verdict.reasons),
        "tests": {key: _test_json(test) for key, test in verdict.tests.items()},
        "controls": {
            name: {"found": c.found, "by": list(c.by), "p_adjusted": c.p_adjusted}
            for name, c in verdict.controls.items()
        },
        "sharpness": {
            "log_prob_truth": score_json(verdict.log_prob_truth),
            "contraction": {key: finite(a) for key, a in verdict.contraction.items()},
        },
        "power": {
            "narrow": power.narrow,
            "wide": power.wide,
            "width_error": power.width_error,
            "needed": WIDTH_ERROR,
        },
        "effective_sample_size": {"min": finite(smallest), "median": finite(median)},
        "level": verdict.level,
        "n_draws": verdict.n_draws,
        "failed": verdict.failed,
        "seconds_per_posterior": finite(verdict.seconds_per_posterior),
    }


def _test_json(test: Test) -> dict[str, Any]:
    result, curve = test.result, test.result.curve
    lines = ("x", "y", "lower", "upper", "ideal")
    return {
        "statistic": finite(result.statistic),
        "p_value": result.p_value,
        "p_adjusted": test.p_adjusted,
        "passed": test.passed,
        "diagnostic": test.diagnostic,
        "why": result.why,
        "numbers": {key: finite(a) for key, a in result.numbers.items()},
        "curve": {
            **{name: [finite(a) for a in getattr(curve, name)] for name in lines},
            "x_label": curve.x_label,
            "y_label": curve.y_label,
        },
    }


def score_json(values: Score) -> dict[str, float | int | None]:
    """A score as plain values: `mean` is null where it is infinite, and `infinite` says why."""
    return {
        "mean": finite(values.mean),
        "se": finite(values.se),
        "median": finite(values.median),
        "finite_mean": finite(values.finite_mean),
        "infinite": values.infinite,
        "failed": values.failed,
        "count": values.count,
    }


def finite(value: float) -> float | None:
    """A number as JSON knows it."""
    return float(value) if np.isfinite(value) else None
