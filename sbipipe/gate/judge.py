r"""The gate: from the diagnostics' results to a verdict, with its own power.

If one of an estimator's tests fails after correction for their number (`testing`), the posterior is

- `biased` where the parameters' ranks are displaced more than they are spread (`evidence`), and
  either plainly so or more than the width is wrong,
- otherwise `overconfident` or `underconfident`, by the sign of the strongest evidence of a wrong
  width (signed area of the coverage, dispersion of the ranks, TARP's area to the curve).

If none fails, that must mean something. The negative controls (`controls`) have to be found by the
same tests, all four kinds of test have to be there, and the number of simulations must suffice to
find a width that is wrong by `gate.width_error` (`power`); else the verdict is `inconclusive`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sbipipe.config import Gate
from sbipipe.gate import uniformity
from sbipipe.gate.controls import Control, control_draws
from sbipipe.gate.evidence import evidence
from sbipipe.gate.power import smallest_width_error
from sbipipe.gate.sharpness import sharpness
from sbipipe.gate.testing import detection, missing, run_tests
from sbipipe.gate.verdict import Detection, Outcome, Power, SampleSize, Test, Verdict
from sbipipe.gate.words import reasons
from sbipipe.interfaces import Generator, PosteriorDraws
from sbipipe.protocols import Diagnostic
from sbipipe.records import InputError
from sbipipe.seeds import stream

PLAIN = 4.0
"""Standard deviations of displacement that are a bias, whatever the evidence of a wrong width."""


def judge(
    drawn: PosteriorDraws,
    diagnostics: Mapping[str, Diagnostic],
    gate: Gate,
    controls: Sequence[Control],
    rng: Generator,
) -> Verdict:
    """Test an estimator's draws and its negative controls, and say what follows.

    Args:
        drawn: An estimator's draws for independent simulations.
        diagnostics: By the name they have in `params.yaml`.
        gate: The settings that the verdict rests on.
        controls: The negative controls whose densities were stored with the draws.

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
    failed = int(uniformity.failed(draws).sum())
    outcome = _outcome(tests, found, power, n)
    return Verdict(
        verdict=outcome,
        published=outcome == "calibrated",
        n_test=n,
        reasons=reasons(tests, found, controls, power, n=n, failed=failed, level=gate.level),
        tests=tests,
        controls=found,
        sharpness=sharpness(draws),
        power=power,
        effective_sample_size=_sample_size(draws),
        level=gate.level,
        n_draws=len(draws.draws),
        failed=failed,
        seconds_per_posterior=draws.seconds,
    )


def _outcome(
    tests: Mapping[str, Test], detections: Mapping[str, Detection], power: Power, n: int
) -> Outcome:
    rejected = [test for test in tests.values() if not test.passed]
    if rejected:
        return _failure(rejected, n)
    whole = not missing(tests) and all(control.found for control in detections.values())
    return "calibrated" if whole and power.suffices else "inconclusive"


def _failure(rejected: list[Test], n: int) -> Outcome:
    """The name of what is wrong, from all rejecting tests together."""
    seen = evidence((test.numbers for test in rejected), n)
    plain = seen.displaced > PLAIN or seen.displaced > abs(seen.width)
    if seen.displaced > seen.spread and plain:
        return "biased"
    return "underconfident" if seen.width > 0 else "overconfident"


def _sample_size(draws: PosteriorDraws) -> SampleSize:
    size = draws.effective_sample_size
    return SampleSize(min=float(np.min(size)), median=float(np.median(size)))
