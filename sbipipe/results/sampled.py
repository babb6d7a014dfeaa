"""What is said of many fields at one theta, as lines of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sbipipe.emulation.sampled import Birthday, Departure, Masses, Sampled
from sbipipe.results.headline import Headline

WORDS = {"pixels": "pixels", "summary": "statistics"}

RATE = 0.05
"""The share of components of true fields whose p is below it."""


def lines(
    found: Sampled, seen: Mapping[str, str], own: Mapping[str, Masses] | None = None
) -> Iterator[Headline]:
    """Every test, for the generated fields and for the control.

    Args:
        seen: How the emulator has seen a statistic before, by the statistic.
        own: PQMass in the study's own summaries, by name.
    """
    for statistic, one in found.distributions.items():
        for test, generated in one.generated.items():
            pair = generated, one.control[test]
            yield from _of_test(f"{statistic.capitalize()}, {test}", *pair, seen.get(statistic, ""))
    known = ", ".join(f"{name}: {how}" for name, how in seen.items() if name in found.summary)
    for what, masses in found.masses.items():
        how = known if what == "summary" else ""
        yield from _of_masses(f"PQMass in {WORDS[what]}", masses, how)
    for name, masses in (own or {}).items():
        yield from _of_masses(f"PQMass in the summary {name}", masses, "")
    yield Headline(
        what="Classifier that reads statistics: area under its ROC curve",
        generated=found.classifiers.generated.auc,
        control=found.classifiers.control.auc,
        ideal="0.5",
        se=found.classifiers.generated.se,
        control_se=found.classifiers.control.se,
        seen=known,
    )
    for what, birthday in found.birthdays.items():
        yield from _of_birthday(what, birthday)


def _of_birthday(what: str, one: Birthday) -> Iterator[Headline]:
    fields = f"{one.generated.fields:,} fields"
    yield Headline(
        what=f"Birthday test of {fields} in {what}: pairs nearer than one of true fields would be",
        generated=one.generated.near,
        control=one.control.near,
        ideal="about 1",
    )
    yield Headline(
        what="… p",
        generated=one.generated.p,
        control=one.control.p,
        ideal="1",
    )
    yield Headline(
        what="… different fields that would give as many",
        generated=one.generated.different,
        control=one.control.different,
        ideal="unknown (no pair), or very many",
    )


def _of_masses(what: str, masses: Masses, seen: str) -> Iterator[Headline]:
    generated, control = masses.generated, masses.control
    yield Headline(
        what=f"{what}: chi-squared",
        generated=generated.chi_squared,
        control=control.chi_squared,
        ideal=f"about {generated.expected:.0f}; as true fields",
        seen=seen,
    )
    yield Headline(
        what="… p",
        generated=generated.p,
        control=control.p,
        ideal="anything from 0 to 1",
        seen=seen,
    )


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
