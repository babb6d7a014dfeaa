"""What is said of many fields at one theta, as lines of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sbipipe.emulation.sampled import Departure, Sampled
from sbipipe.results.headline import Headline

RATE = 0.05
"""The share of components of true fields whose p is below it."""


def lines(found: Sampled, seen: Mapping[str, str]) -> Iterator[Headline]:
    """Every test, for the generated fields and for the control.

    Args:
        seen: How the emulator has seen a statistic before, by the statistic.
    """
    for statistic, one in found.distributions.items():
        for test, generated in one.generated.items():
            pair = generated, one.control[test]
            yield from _of_test(f"{statistic.capitalize()}, {test}", *pair, seen.get(statistic, ""))


def _of_test(what: str, generated: Departure, control: Departure, seen: str) -> Iterator[Headline]:
    yield Headline(
        what=f"{what}: p of the largest departure",
        generated=generated.p_largest,
        control=control.p_largest,
        ideal="anything from 0 to 1",
        seen=seen,
    )
    yield Headline(
        what=f"… components with p below {RATE}",
        generated=100 * float((generated.p < RATE).mean()),
        control=100 * float((control.p < RATE).mean()),
        ideal=f"{100 * RATE:.0f} % on average",
        percent=True,
        seen=seen,
    )
    for level in (99, 95):
        yield Headline(
            what=f"… with a similarity score above 0.{level}",
            generated=100 * getattr(generated, f"similar_{level}"),
            control=100 * getattr(control, f"similar_{level}"),
            ideal="as true fields",
            percent=True,
            seen=seen,
        )


__all__ = ["lines"]
