"""What the gate says (`judge`), as records: the content of `coverage.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field, computed_field

from sbipipe.interfaces import Curve, Fault, Real
from sbipipe.records import record
from sbipipe.sets.failures import Failures

MOSTLY = 1 / 3
"""An error of shape is one of which shift and width leave more than this share."""

Outcome = Literal[
    "calibrated",
    "overconfident",
    "underconfident",
    "biased",
    "misshapen",
    "uninformative",
    "inconclusive",
]
"""Only the first is published. The next four are what a rejected test says is wrong; a posterior
that passes is `uninformative` where it is not seen to know more than the prior, and `inconclusive`
where passing means little."""


@record
class Shape:
    """The ranks of one test, mended by the best shift and width.

    Attributes:
        outwards: Whether the ranks grow from the densest point outwards.
        p_value: The p-value of the ranks before they are mended, by the smooth statistic.
        left: The share of their distance from uniform that is left.
        rank: The rank at which they then stray most.
        share: The share of simulations with a lower rank, mended.
    """

    outwards: bool
    p_value: float
    left: Real
    rank: Real
    share: Real

    def wrong(self, level: float) -> bool:
        """Whether the ranks stray, at this level, and neither shift nor width explains it."""
        return self.p_value <= level and self.left > MOSTLY


@record
class Test:
    """One result of a diagnostic, judged among all tests of its estimator.

    Attributes:
        statistic: The test statistic.
        p_value: The probability of a statistic at least as extreme for a calibrated posterior.
        p_adjusted: The p-value after Holm's correction.
        passed: Whether the adjusted p-value lies above the level.
        diagnostic: The name of the diagnostic in `params.yaml`.
        why: One sentence that a person reads.
        numbers: Other figures, by name.
        curve: The picture of the test.
        says: The sentence that names the number by which the test condemns a posterior's place, its
            width or its shape, for those of the three that it tells of.
        shape: The ranks of a rejection, mended by the best shift and width; None where the test
            passed or has no ranks.
    """

    __test__ = False

    statistic: Real
    p_value: float
    p_adjusted: float
    passed: bool
    diagnostic: str
    why: str
    numbers: Mapping[str, Real]
    curve: Curve
    says: Mapping[Fault, str] = Field(default_factory=dict)
    shape: Shape | None = None

    @property
    def somewhere(self) -> bool:
        """Whether it is of regions, and more is wrong in some than in all together."""
        return "regional" in self.numbers and self.numbers["regional"] > self.numbers["throughout"]


@record
class Detection:
    """Whether the tests find a negative control.

    Attributes:
        found: Whether some test rejects it.
        by: The tests that reject it.
        p_adjusted: The smallest adjusted p-value.
    """

    found: bool
    by: tuple[str, ...]
    p_adjusted: float


@record
class Estimate:
    """A mean over observations with its standard error.

    Attributes:
        mean: The mean over the `count` observations that have a value; infinite where one of
            theirs is.
        se: The standard error of the mean; NaN where the mean is not finite.
        median: The median over the same observations.
        finite_mean: The mean over the observations whose value is finite.
        infinite: The number of observations whose value is infinite.
        failed: The number of observations without a value.
        count: The number of observations with a value.
    """

    mean: Real
    se: Real
    median: Real
    finite_mean: Real
    infinite: int
    failed: int
    count: int

    @property
    def negative(self) -> Estimate:
        """The estimate of the values with their sign changed."""
        return replace(self, mean=-self.mean, median=-self.median, finite_mean=-self.finite_mean)


@record
class Sharpness:
    """What one estimator's posteriors say, where they are right.

    Attributes:
        log_prob_truth: The log posterior density at the truth, in nats.
        contraction: The contraction of each parameter.
    """

    log_prob_truth: Estimate
    contraction: Mapping[str, Real]


@record
class Gain:
    """The nats gained over the prior, over the observations that could be sampled.

    Attributes:
        nats: The log posterior less the log prior density at the truth, in nats.
        hedged: The mean gain of the posterior hedged with the prior, in nats.
        hedged_se: The standard error of that mean.
        p_value: The probability of as large a hedged gain where there is none.
    """

    nats: Estimate
    hedged: Real
    hedged_se: Real
    p_value: float

    def shown(self, level: float) -> bool:
        """Whether the posterior knows more than the prior, at this level."""
        return self.p_value <= level


@record
class Interval:
    """A value with its central interval.

    Attributes:
        value: The estimate.
        low, high: The ends of the interval that holds it with probability `CONFIDENCE`.
    """

    value: Real
    low: Real
    high: Real


@record
class Margin:
    """The errors of one parameter's posteriors.

    Attributes:
        width: The width as a multiple of what it should be; above one where it is too wide.
        bias: The displacement in posterior widths; positive where the posterior lies too high.
    """

    width: Interval
    bias: Interval


@record
class Power:
    """The smallest errors of one parameter's width that the tests would find.

    Attributes:
        narrow: The error w of a width 1 - w; None where beyond `power.LARGEST`.
        wide: The error w of a width 1 + w; None where beyond `power.LARGEST`.
        needed: The error that must be found, `gate.width_error`.
        chance: The probability of finding them, `gate.chance`.
    """

    narrow: float | None
    wide: float | None
    needed: float
    chance: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def width_error(self) -> float | None:
        """The larger of the two errors; None where either is beyond `power.LARGEST`."""
        return None if self.narrow is None or self.wide is None else max(self.narrow, self.wide)

    @property
    def suffices(self) -> bool:
        """Whether the error that must be found would be."""
        return self.width_error is not None and self.width_error <= self.needed


@record
class Looks:
    """How often the same test simulations have judged, other posteriors or by other settings.

    Attributes:
        estimator: The number of those of this estimator, this one included.
        split: The number of those of all estimators.
        simulations: The hash of the true parameters of these simulations; empty where it was not
            kept.
        rejected_at: The highest level, above that of this verdict, at which this estimator was
            rejected before; None where there is none.
    """

    estimator: int
    split: int
    simulations: str = ""
    rejected_at: Real | None = None


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
class Advice:
    """What to try next with a posterior.

    Attributes:
        found: The finding that speaks for it, in words.
        do: The line of `params.yaml`, the option of a command, or the thing to do.
    """

    found: str
    do: str


@record
class Verdict:
    """What the gate says of one estimator: its entry in `coverage.json`.

    Attributes:
        verdict: The outcome in one word.
        published: Whether the posterior may leave.
        n_test: The number of independent simulations, the failed ones included.
        reasons: The reasons in words, the most telling first.
        cause: The name of the test that condemns the posterior; empty where none does.
        tests: The tests, by "<diagnostic>.<test>".
        controls: The negative controls, by name.
        sharpness: The sharpness of the posteriors that could be sampled.
        gain: The nats gained over the prior.
        margins: The errors of each parameter's width and place, with their intervals.
        power: The smallest errors of one parameter's width that the tests would find.
        effective_sample_size: The effective sample sizes of the observations.
        level: The probability that an exact posterior fails.
        n_draws: The number of draws from each posterior.
        failed: The number of simulations that could not be sampled; they count as misses in
            every test.
        seconds_per_posterior: The wall time of drawing, for one observation.
        failures: The simulations behind it that failed; None where that is not known.
        looks: How often the test simulations have been looked at; None where nobody counts.
        estimator_hash: The hash of the weights behind the draws; empty before `publish`.
        advice: What to try next, the most promising first; empty where the posterior is published,
            and before `publish`.
        remarks: What might make a published posterior sharper; empty where it is withheld, and
            before `publish`.
    """

    verdict: Outcome
    published: bool
    n_test: int
    reasons: tuple[str, ...]
    cause: str
    tests: Mapping[str, Test]
    controls: Mapping[str, Detection]
    sharpness: Sharpness
    gain: Gain
    margins: Mapping[str, Margin]
    power: Power
    effective_sample_size: SampleSize
    level: float
    n_draws: int
    failed: int
    seconds_per_posterior: Real
    failures: Failures | None = None
    looks: Looks | None = None
    estimator_hash: str = ""
    advice: tuple[Advice, ...] = ()
    remarks: tuple[Advice, ...] = ()

    @property
    def sharper(self) -> tuple[str, ...]:
        """What might make a published posterior sharper, in sentences."""
        return tuple(f"it might be sharper: {one.found} ({one.do})" for one in self.remarks)

    @property
    def coverage_68(self) -> float | None:
        """The share of truths in regions of 68 %, where a test quotes it."""
        numbers = (test.numbers for test in self.tests.values())
        return next((one["coverage_0.68"] for one in numbers if "coverage_0.68" in one), None)


@record
class Verdicts:
    """The content of `coverage.json`.

    Attributes:
        estimators: The verdict on each estimator.
    """

    estimators: Mapping[str, Verdict]
