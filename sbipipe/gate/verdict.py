"""What the gate says (`judge`), as records: the content of `coverage.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sbipipe.gate.power import Power
from sbipipe.gate.sharpness import Sharpness
from sbipipe.gate.testing import Detection, Test
from sbipipe.records import Real, record

Outcome = Literal["calibrated", "overconfident", "underconfident", "biased", "inconclusive"]


@record
class SampleSize:
    """The effective sample sizes of the observations.

    Attributes:
        min: The smallest of them.
        median: The median over observations.
    """

    min: Real
    median: Real


@record
class Verdict:
    """What the gate says of one estimator: its entry in `coverage.json`.

    Attributes:
        verdict: The outcome in one word.
        published: Whether the posterior may leave.
        n_test: The number of independent simulations, the failed ones included.
        reasons: The reasons in words, the most telling first.
        tests: The tests, by "<diagnostic>.<test>".
        controls: The negative controls, by name.
        sharpness: The sharpness of the posteriors that could be sampled.
        power: The smallest errors of the width that the tests would find.
        effective_sample_size: The effective sample sizes of the observations.
        level: The probability that an exact posterior fails.
        n_draws: The number of draws from each posterior.
        failed: The number of simulations that could not be sampled; they count as misses in
            every test.
        seconds_per_posterior: The wall time of drawing, for one observation.
        estimator_hash: The hash of the weights behind the draws; empty before `publish`.
    """

    verdict: Outcome
    published: bool
    n_test: int
    reasons: tuple[str, ...]
    tests: Mapping[str, Test]
    controls: Mapping[str, Detection]
    sharpness: Sharpness
    power: Power
    effective_sample_size: SampleSize
    level: float
    n_draws: int
    failed: int
    seconds_per_posterior: Real
    estimator_hash: str = ""


@record
class Verdicts:
    """The content of `coverage.json`.

    Attributes:
        estimators: The verdict on each estimator.
    """

    estimators: Mapping[str, Verdict]
