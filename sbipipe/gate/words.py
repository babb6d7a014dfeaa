"""Why a verdict is what it is, in sentences that a person reads.

The first sentence names the number that the verdict rests on (`saying`): the place of a posterior
that is biased, the width of one that is too narrow. Of the other rejections, those whose numbers
lean the same way say so; each of the others names the number that condemns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sbipipe.gate.controls import Control
from sbipipe.gate.evidence import evidence
from sbipipe.gate.mandatory import missing
from sbipipe.gate.margins import CONFIDENCE
from sbipipe.gate.naming import leaning, unseen
from sbipipe.gate.power import LARGEST
from sbipipe.gate.verdict import (
    Detection,
    Gain,
    Interval,
    Looks,
    Outcome,
    Power,
    Shape,
    Test,
    Verdict,
)
from sbipipe.interfaces import Fault
from sbipipe.sets.failures import Failures

OPENING: Mapping[str, str] = {
    "overconfident": "Too narrow",
    "underconfident": "Too wide",
    "biased": "Biased",
    "misshapen": "Wrong shape",
    "uninformative": "Wrong by region",
}
"""How the reason of a failure begins."""


MANY = 0.05
"""The share of observations without a posterior above which they are the first thing to say."""

FAULTS: Mapping[str, Fault] = {
    "overconfident": "width",
    "underconfident": "width",
    "biased": "place",
    "misshapen": "shape",
}
"""What each of the failures is an error of."""


def reasons(verdict: Verdict, controls: Sequence[Control]) -> Iterator[str]:
    """The reasons of a verdict, the most telling first."""
    gained = _gained(verdict.gain, verdict.level)
    seen = _seen(verdict.power, verdict.n_test)
    few = seen if not verdict.power.suffices else ""
    first = {"uninformative": gained, "inconclusive": few}.get(verdict.verdict)
    if first:
        yield first
    lost = (
        f"{verdict.failed} of {verdict.n_test} observations could not be sampled; "
        "they count as misses"
    )
    many = verdict.failed > MANY * verdict.n_test
    if many:
        yield lost
    if verdict.cause:
        yield from _rejections(verdict)
        yield from _wrong_margin(verdict)
    for kind in missing(verdict.tests):
        yield f"{kind} was not run, without which no posterior is called calibrated"
    if not verdict.cause:
        yield from _unfound(verdict.controls, controls)
        yield f"None of {len(verdict.tests)} tests rejects at level {verdict.level:g}"
    if verdict.failed and not many:
        yield lost
    yield from (words for words in (gained, seen) if words != first)
    if verdict.failures and verdict.failures.failed:
        yield _failed(verdict.failures)
    if verdict.looks:
        yield from _looked(verdict.looks, verdict.level)


def _looked(looks: Looks, level: float) -> Iterator[str]:
    """How often the test simulations had been looked at, and whether the level was lowered."""
    if looks.rejected_at is not None:
        yield f"Rejected at level {looks.rejected_at:g}, then judged at {level:g}"
    if looks.estimator > 1:
        yield (
            f"When this was judged, the test simulations had been looked at {looks.split} times, "
            f"{looks.estimator} of them for this estimator"
        )


def _rejections(verdict: Verdict) -> Iterator[str]:
    """What the rejecting tests saw, the one that condemns first."""
    rejected = {key: test for key, test in verdict.tests.items() if not test.passed}
    for key in sorted(rejected, key=lambda k: (k != verdict.cause, *_plainness(rejected[k]))):
        test = rejected[key]
        where = f"{test.diagnostic}, adjusted p = {_below(test.p_adjusted, verdict.level)}"
        yield f"{_opening(key, test, verdict)}: {_said(key, test, verdict)} ({where})"
        wrong = verdict.verdict == "misshapen" and key == verdict.cause and test.shape
        if wrong and wrong.wrong(verdict.level):
            yield _where(wrong)


def saw(verdict: Verdict) -> dict[str, str]:
    """What each test saw, in a sentence: one that rejects, what it rejects by."""
    return {
        key: test.why if test.passed else _said(key, test, verdict)
        for key, test in verdict.tests.items()
    }


def _below(p_value: float, level: float) -> str:
    """A p-value below the level, to one digit, or to as many as tell them apart."""
    if p_value <= 0:
        return "below 1e-300"
    words = (f"{p_value:.{digits}g}" for digits in range(1, 17))
    return next((one for one in words if float(one) < level), f"{p_value:g}")


def _opening(key: str, test: Test, verdict: Verdict) -> str:
    if test.somewhere:
        return _leaning_there(test.numbers)
    same = key == verdict.cause or _own(test, verdict) == verdict.verdict
    return OPENING[verdict.verdict] if same else "Rejected as well"


def _said(key: str, test: Test, verdict: Verdict) -> str:
    """The number by which a test condemns: by what the verdict says, if it is the cause."""
    outcome = verdict.verdict if key == verdict.cause else _own(test, verdict)
    fault = FAULTS.get(outcome)
    return (test.says.get(fault) if fault else None) or test.why


def _own(test: Test, verdict: Verdict) -> Outcome:
    """What the numbers of one rejecting test say is wrong."""
    seen = evidence([test.numbers], verdict.n_test)
    return "misshapen" if unseen(seen, verdict.level) else leaning(seen)


def _where(shape: Shape) -> str:
    """Where ranks stray that no shift or width mends."""
    return (
        f"The best shift and width leave {100 * min(1.0, shape.left):.0f} % of that error, most of "
        f"it at the rank {shape.rank:.2f}: {100 * shape.share:.0f} % of truths then lie below it"
    )


def _plainness(test: Test) -> tuple[bool, float]:
    """Sorts reasons: those of the densities' ranks, and of what is wrong in every region alike,
    last, the others by their p-value."""
    seen_elsewhere = set(test.numbers) <= {"signed_area", "failed"} or (
        "regional" in test.numbers and not test.somewhere
    )
    return seen_elsewhere, test.p_adjusted


def _wrong_margin(verdict: Verdict) -> Iterator[str]:
    """The parameter whose place or width is most wrong in the way that the verdict says."""
    if verdict.verdict == "biased":
        places = {name: margin.bias for name, margin in verdict.margins.items()}
        name = max(places, key=lambda name: abs(places[name].value))
        side = "high" if places[name].value > 0 else "low"
        if not places[name].low <= 0 <= places[name].high:
            yield (
                f"The posterior of {name} lies {abs(places[name].value):.2f} of its widths too "
                f"{side} ({_ends(places[name])})"
            )
    if verdict.verdict in {"overconfident", "underconfident"}:
        widths = {name: margin.width for name, margin in verdict.margins.items()}
        narrow = verdict.verdict == "overconfident"
        name = (min if narrow else max)(widths, key=lambda name: widths[name].value)
        if widths[name].high < 1 if narrow else widths[name].low > 1:
            yield (
                f"The posterior of {name} is {widths[name].value:.2f} times as wide as it should "
                f"be ({_ends(widths[name])})"
            )


def _ends(interval: Interval) -> str:
    return f"{interval.low:.2f} to {interval.high:.2f} with {100 * CONFIDENCE:.0f} % confidence"


def _failed(failures: Failures) -> str:
    """How many simulations failed, and where."""
    words = f"{failures.failed} of {failures.simulations} simulations failed"
    p = f"p = {failures.p_value:.1g}"
    if not failures.depend:
        return f"{words}, as many in one part of the prior as in another ({p})"
    where = f"mean quantile of the failed {failures.mean_quantile:.2f}"
    return (
        f"{words}, and that depends on {failures.parameter} ({where}, {p}): the posterior is that "
        "of a prior which lacks them"
    )


def _leaning_there(numbers: Mapping[str, float]) -> str:
    """What the region where the posterior is most wrong shows."""
    if numbers["bias_there"]:
        return "Biased in a region"
    return f"Too {'wide' if numbers['width_there'] > 0 else 'narrow'} in a region"


def _unfound(detections: Mapping[str, Detection], controls: Sequence[Control]) -> Iterator[str]:
    for control in controls:
        if not detections[control.name].found:
            yield f"The tests did not find the draws {control.words}, so passing them means little"


def _gained(gain: Gain, level: float) -> str:
    """What the posterior knows that the prior does not."""
    nats = gain.nats
    if not nats.count:
        return "No observation could be sampled, so no gain over the prior is known"
    words = f"The posterior gains {nats.mean:.2f} ± {nats.se:.2g} nats over the prior"
    if nats.infinite:
        words = (
            f"{nats.infinite} truths have no posterior density; counted as losses of the logarithm "
            f"of the number of simulations, the posterior gains {gain.hedged:.2f} ± "
            f"{gain.hedged_se:.2g} nats over the prior"
        )
    if gain.shown(level):
        return words
    return (
        f"{words}, which is consistent with none (p = {gain.p_value:.1g}, level {level:g}): it is "
        "not seen to know more than the prior"
    )


def _seen(power: Power, n: int) -> str:
    """What this number of simulations would have shown."""
    if power.narrow is None or power.wide is None:
        return (
            f"{n} simulations would not show even an error of {100 * LARGEST:.0f} % in one "
            "parameter's width"
        )
    words = (
        f"{n} simulations show one parameter's width {100 * power.narrow:.0f} % too narrow or "
        f"{100 * power.wide:.0f} % too wide with probability {power.chance:g}"
    )
    return words if power.suffices else f"{words}, but no smaller error: too few to rely on"
