r"""The gate: from the diagnostics' results to a verdict, with its own power.

If one of an estimator's tests fails after correction for their number (`testing`), the posterior is
`biased`, `overconfident`, `underconfident` or `misshapen` (`naming`).

If none fails, that must mean something. The negative controls (`controls`) have to be found by the
same tests, all mandatory kinds of test have to be there, and the number of simulations must suffice
to find one parameter's width that is wrong by `gate.width_error` (`power`); else the verdict is
`inconclusive`. And the posterior must know more than the prior, which passes every test but those
by region of what is observed; else it is `uninformative` (`gain`), whatever these say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sbipipe.config import Gate
from sbipipe.gate import uniformity
from sbipipe.gate.controls import Control, control_draws
from sbipipe.gate.gain import gain
from sbipipe.gate.mandatory import missing
from sbipipe.gate.margins import margins
from sbipipe.gate.naming import failure
from sbipipe.gate.power import smallest_width_error
from sbipipe.gate.sharpness import sharpness
from sbipipe.gate.testing import detection, run_tests
from sbipipe.gate.verdict import Detection, Gain, Looks, Outcome, Power, SampleSize, Test, Verdict
from sbipipe.gate.words import reasons
from sbipipe.interfaces import Generator, PosteriorDraws
from sbipipe.protocols import Diagnostic
from sbipipe.records import InputError
from sbipipe.seeds import stream
from sbipipe.sets.failures import Failures


def judge(
    drawn: PosteriorDraws,
    diagnostics: Mapping[str, Diagnostic],
    gate: Gate,
    controls: Sequence[Control],
    rng: Generator,
    *,
    failures: Failures | None = None,
    looks: Looks | None = None,
) -> Verdict:
    """Test an estimator's draws and its negative controls, and say what follows.

    Args:
        drawn: An estimator's draws for independent simulations.
        diagnostics: By the name they have in `params.yaml`.
        gate: The settings that the verdict rests on.
        controls: The negative controls whose densities were stored with the draws.
        failures: The simulations that failed, where that is known.
        looks: How often the test simulations have been looked at, where somebody counts.

    Raises:
        InputError: Where there is nothing to judge or a control's density is missing.
    """
    n = len(drawn.theta)
    if not n or not diagnostics:
        raise InputError(
            f"judge: given {n} simulations and {len(diagnostics)} diagnostics; "
            f"allowed: at least one of each"
        )
    root = int(rng.integers(2**63))
    draws = uniformity.fail_few(drawn, gate.fewest_draws)
    tests = run_tests(draws, diagnostics, gate.level, root)
    found = {
        one.name: detection(run_tests(control_draws(draws, one), diagnostics, gate.level, root))
        for one in controls
    }
    power = smallest_width_error(
        n=n,
        dimension=len(draws.parameters),
        tests=len(tests),
        gate=gate,
        rng=stream(root, "power"),
    )
    gained = gain(draws)
    outcome, cause = _outcome(tests, found, gained, power, n=n, level=gate.level)
    verdict = Verdict(
        verdict=outcome,
        published=outcome == "calibrated",
        n_test=n,
        reasons=(),
        cause=cause,
        tests=tests,
        controls=found,
        sharpness=sharpness(draws),
        gain=gained,
        margins=margins(draws, stream(root, "margins")),
        power=power,
        effective_sample_size=_sample_size(draws),
        level=gate.level,
        n_draws=len(draws.draws),
        failed=int(uniformity.failed(draws).sum()),
        seconds_per_posterior=draws.seconds,
        failures=failures,
        looks=looks,
    )
    return replace(verdict, reasons=tuple(reasons(verdict, controls)))


def _outcome(
    tests: Mapping[str, Test],
    detections: Mapping[str, Detection],
    gained: Gain,
    power: Power,
    *,
    n: int,
    level: float,
) -> tuple[Outcome, str]:
    """The outcome, and the key of the test that condemns, if one does."""
    rejected = {key: test for key, test in tests.items() if not test.passed}
    known = gained.shown(level)
    if rejected and (known or not all("regional" in test.numbers for test in rejected.values())):
        return failure(rejected, n, level)
    if rejected:
        return "uninformative", min(rejected, key=lambda key: rejected[key].p_value)
    if missing(tests) or not all(control.found for control in detections.values()):
        return "inconclusive", ""
    if not known:
        return "uninformative", ""
    return "calibrated" if power.suffices else "inconclusive", ""


def _sample_size(draws: PosteriorDraws) -> SampleSize:
    size = draws.effective_sample_size
    return SampleSize(min=float(np.min(size)), median=float(np.median(size)))
