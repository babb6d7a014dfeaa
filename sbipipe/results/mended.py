"""What the recalibrations of a run say of themselves, in words and units.

A kind measures on `calibrate` what it gains, and leaves figures by name (`posteriors.price`, and
its own). Those of the kinds here have words; what other kinds leave stands below its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sbipipe.config import Params
from sbipipe.interfaces import History

WITHOUT, WITH = "share_in_68_%_regions_without_it", "share_in_68_%_regions_with_it"
BEFORE, AFTER = "mean_log_density_at_truth_without_it", "mean_log_density_at_truth_with_it"
SPOKEN = frozenset({
    "terms", "nats_gained", "nats_gained_error", BEFORE, AFTER, WITHOUT, WITH, "share_with_it",
    "strength", "strength_error", "simulations", "rows_without_a_posterior", "share_refused",
    "median_pareto_k", "median_effective_share", "worth_having", "depends_on", "strength_from",
    "strength_to", "nats_gained_by_region", "nats_gained_by_region_error",
})  # fmt: skip
"""Figures that have words here."""


@dataclass(frozen=True, kw_only=True)
class Recalibrated:
    """What one entry of `recalibrate:` says of itself.

    Attributes:
        entry: The name of the entry.
        kind: The kind of recalibration.
        of: The estimator that it mends.
        target: The estimator that it moves it towards, if any.
        notes: The figures that were measured on `calibrate`, by name.
    """

    entry: str
    kind: str
    of: str
    target: str | None
    notes: Mapping[str, Any]

    @property
    def opening(self) -> str:
        """What it is, and whether it is worth having."""
        towards = f" towards {self.target}" if self.target else ""
        idle = self.notes.get("worth_having") is False
        changed = ", changed nothing worth having" if idle else ""
        return f"{self.entry}, {self.kind} of {self.of}{towards}{changed}"

    @property
    def says(self) -> tuple[str, ...]:
        """Its figures, each in words with its unit."""
        known = {key: value for key, value in self.notes.items() if value is not None}
        return (*_words(known), *_others(known))


def recalibrated(
    params: Params, found: Mapping[tuple[str, str], History]
) -> tuple[Recalibrated, ...]:
    """What the entries of `recalibrate:` say of themselves.

    Args:
        found: The histories of the stages, by section and entry.
    """
    return tuple(
        Recalibrated(
            entry=name,
            kind=entry.kind,
            of=entry.of,
            target=entry.target,
            notes=found["recalibrate", name].notes,
        )
        for name, entry in params.recalibrate.items()
    )


def _words(notes: Mapping[str, Any]) -> Iterator[str]:
    if "strength" in notes:
        error = _error(notes, "strength_error")
        yield f"the power of the likelihood is {notes['strength']:.3f}{error}, 1 where it is right"
    if "depends_on" in notes:
        key = "nats_gained_by_region"
        gained = _signed(notes[key], 3) + _error(notes, f"{key}_error")
        yield (
            f"it runs from {notes['strength_from']:.2f} to {notes['strength_to']:.2f}, by "
            f"{notes['depends_on']}, which gains {gained} nats in rows left out"
        )
    if "terms" in notes:
        many = notes["terms"]
        yield f"the map of levels has {many or 'no'} term{'s' if many != 1 else ''}"
    if "share_refused" in notes:
        yield f"{_percent(notes['share_refused'])} of observations are refused"
    if "median_pareto_k" in notes:
        yield f"Pareto's k has the median {notes['median_pareto_k']:.2f}, and is sound below 0.7"
    if "median_effective_share" in notes:
        share = _percent(notes["median_effective_share"])
        yield f"draws of the median observation are worth {share} of as many independent ones"
    if "nats_gained" in notes:
        gained = _signed(notes["nats_gained"], 3) + _error(notes, "nats_gained_error")
        yield f"{gained} nats are gained at the truth{_density(notes)}"
    yield from _held(notes)
    if notes.get("rows_without_a_posterior"):
        yield f"{notes['rows_without_a_posterior']} rows have no posterior"


def _held(notes: Mapping[str, Any]) -> Iterator[str]:
    """What 68 % regions hold, and by how many simulations."""
    after = notes.get(WITH, notes.get("share_with_it"))
    many = f", by {notes['simulations']} simulations" if "simulations" in notes else ""
    if WITHOUT in notes and after is not None:
        before = _percent(notes[WITHOUT])
        yield f"68 % regions hold {_percent(after)} of truths, {before} without it{many}"


def _density(notes: Mapping[str, Any]) -> str:
    if BEFORE not in notes or AFTER not in notes:
        return ""
    return f" (a log density of {_signed(notes[AFTER], 2)}, {_signed(notes[BEFORE], 2)} without it)"


def _error(notes: Mapping[str, Any], key: str) -> str:
    return f" ± {notes[key]:.3f}" if key in notes else ""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _signed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _others(notes: Mapping[str, Any]) -> Iterator[str]:
    """Figures without words of their own."""
    for key, value in notes.items():
        if key not in SPOKEN:
            figure = f"{value:.3g}" if isinstance(value, float) else str(value)
            yield f"{key.replace('_', ' ')}: {figure}"


__all__ = ["Recalibrated", "recalibrated"]
