"""Why a verdict is what it is, in sentences that a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sbipipe.gate.controls import Control
from sbipipe.gate.evidence import evidence
from sbipipe.gate.power import LARGEST
from sbipipe.gate.testing import missing
from sbipipe.gate.verdict import Detection, Power, Test


def reasons(
    tests: Mapping[str, Test],
    detections: Mapping[str, Detection],
    controls: Sequence[Control],
    power: Power,
    *,
    n: int,
    failed: int,
    level: float,
) -> tuple[str, ...]:
    """The reasons of a verdict, the most telling first.

    Args:
        n: Number of test simulations.
        failed: Number of those that could not be sampled.
    """
    rejected = [test for test in tests.values() if not test.passed]
    found = [_rejection(test, n) for test in sorted(rejected, key=_plainness)]
    if failed:
        found.append(f"{failed} of {n} observations could not be sampled; they count as misses")
    found += [
        f"{kind} was not run, without which no posterior is called calibrated"
        for kind in missing(tests)
    ]
    if not rejected:
        found += _unfound(detections, controls)
        found.append(f"None of {len(tests)} tests rejects at level {level:g}")
    return (*found, _power(power, n))


def _plainness(test: Test) -> tuple[bool, float]:
    """Sorts reasons: those of the densities' ranks, and of what is wrong in every region alike,
    last, the others by their p-value."""
    seen_elsewhere = set(test.numbers) <= {"signed_area", "failed"} or (
        "regional" in test.numbers and not _somewhere(test.numbers)
    )
    return seen_elsewhere, test.p_adjusted


def _rejection(test: Test, n: int) -> str:
    p_adjusted = f"{test.p_adjusted:.1g}" if test.p_adjusted > 0 else "below 1e-300"
    where = f"{test.diagnostic}, adjusted p = {p_adjusted}"
    return f"{_leaning(test, n)}: {test.why} ({where})"


def _leaning(test: Test, n: int) -> str:
    """What one rejected test says is wrong."""
    if "regional" in test.numbers:
        return _leaning_there(test.numbers)
    seen = evidence([test.numbers], n)
    if max(seen.displaced, abs(seen.width)) < 2:
        return "Wrong shape"
    if seen.displaced > seen.spread and seen.displaced > abs(seen.width):
        return "Biased"
    if seen.width > 0:
        return "Too wide"
    return "Too narrow or displaced" if "atc" in test.numbers else "Too narrow"


def _leaning_there(numbers: Mapping[str, float]) -> str:
    """What the region where the posterior is most wrong shows."""
    somewhere = " in a region" if _somewhere(numbers) else ""
    if numbers["bias_there"]:
        return f"Biased{somewhere}"
    return f"Too wide{somewhere}" if numbers["width_there"] > 0 else f"Too narrow{somewhere}"


def _somewhere(numbers: Mapping[str, float]) -> bool:
    """Whether more is wrong in some region than in all together."""
    return numbers["regional"] > numbers["throughout"]


def _unfound(detections: Mapping[str, Detection], controls: Sequence[Control]) -> Iterator[str]:
    for control in controls:
        if not detections[control.name].found:
            yield f"The tests did not find the draws {control.words}, so passing them means little"


def _power(power: Power, n: int) -> str:
    if power.width_error is None:
        return f"{n} simulations would not show even a width error of {100 * LARGEST:.0f} %"
    error = f"{100 * power.width_error:.0f} %"
    words = f"{n} simulations show a width error of {error} with probability {power.chance:g}"
    return words if power.suffices else f"{words}, but no smaller one: too few to rely on"
