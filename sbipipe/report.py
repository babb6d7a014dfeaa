"""Results and figures -> the page that a person reads first, and tables for DVC.

Nothing is computed here. The page is one file: figures inside it as data URIs, no script, nothing
fetched. Every word from outside passes through Jinja2's escaping.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sbipipe.gate.words import saw
from sbipipe.interfaces import SPLITS
from sbipipe.results.answer import answers
from sbipipe.results.calibration import Judged
from sbipipe.results.run import Results
from sbipipe.writing import SIGNS, environment, listed

if TYPE_CHECKING:
    from sbipipe.figures.style import Drawing


def page(results: Results, gallery: Mapping[str, Sequence[Drawing]]) -> str:
    """The page as HTML."""
    return (
        environment()
        .get_template("report.html")
        .render(
            results=results,
            answers=answers(results.sharing, results.distinct, results.pairs),
            gallery=gallery,
            saw={one.name: saw(one.verdict) for one in results.estimators},
            signs=SIGNS,
            splits=SPLITS,
            verdict=verdict(results),
        )
    )


def verdict(results: Results) -> str:
    """The whole run in a few sentences."""
    if not results.estimators:
        return "No estimator was trained: the fields of emulators stand beside true ones."
    out = [e.name for e in results.distinct if e.verdict.published]
    sentences = [_opening(out, len(results.distinct))]
    sentences += _withheld([e for e in results.distinct if not e.verdict.published])
    if results.idle:
        sentences.append(_idle(results.idle))
    passed = [e for e in results.estimators if all(t.passed for t in e.verdict.tests.values())]
    missed = [e.name for e in passed if not all(c.found for c in e.verdict.controls.values())]
    if missed:
        sentences.append(f"Spoiled on purpose, {listed(missed)} would have passed as well.")
    elif passed:
        sentences.append(
            "Spoiled on purpose, each posterior that passed is rejected: these tests can fail."
        )
    return " ".join(sentences)


def _opening(out: Sequence[str], total: int) -> str:
    if not out:
        return (
            f"None of {total} posteriors may be published."
            if total > 1
            else ("The posterior may not be published.")
        )
    if total == 1:
        return f"The posterior of {out[0]} may be published."
    share = f"All {total}" if len(out) == total else f"{len(out)} of {total}"
    return f"{share} posteriors may be published: {listed(out)}."


def _withheld(estimators: Sequence[Judged]) -> Iterator[str]:
    """Why, in the first of the reasons, a sentence for all that share it."""
    sharing: dict[tuple[str, str], list[str]] = {}
    for one in estimators:
        sharing.setdefault((one.verdict.verdict, one.verdict.reasons[0]), []).append(one.name)
    for (outcome, reason), names in sharing.items():
        are = "is" if len(names) == 1 else "are"
        yield f"{listed(names)} {are} withheld as {outcome}: {reason[:1].lower()}{reason[1:]}."


def _idle(idle: Mapping[str, str]) -> str:
    """Which recalibrations stand in tables alone."""
    (first, of), *others = idle.items()
    each = listed([f"{first} changed nothing worth having of {of}", *map(" of ".join, others)])
    return f"{each}: {'they stand' if others else 'it stands'} in the tables alone."


# Tables for DVC


def metrics(results: Results) -> dict[str, Any]:
    """The headline numbers; those that do not exist or are not finite are left out."""
    found = {estimator.name: dict(_metrics(estimator)) for estimator in results.estimators}
    for emulation in results.emulations:
        generated = emulation.judgement.chi_squared.sets["generated"]
        found.setdefault(emulation.name, {})["emulation"] = {
            "chi_squared_over_null": {"mean": generated.ratio, "se": generated.ratio_se},
            "chi_squared_over_true": {"mean": generated.to_true, "se": generated.to_true_se},
            "chi_squared_over_control": {
                "mean": generated.to_control,
                "se": generated.to_control_se,
            },
        }
    return found


def _metrics(estimator: Judged) -> Iterator[tuple[str, Any]]:
    yield "published", int(estimator.verdict.published)
    yield "n_test", estimator.verdict.n_test
    yield "min_p_adjusted", estimator.min_p_adjusted
    gain = estimator.verdict.gain.nats
    if math.isfinite(gain.se):
        yield "gain", {"mean": gain.mean, "se": gain.se}
    for name in ("log_prob_truth", "kl_from_exact"):
        found = getattr(estimator.performance, name)
        if found and math.isfinite(found.se):
            yield name, {"mean": found.mean, "se": found.se}
    for name in ("train_seconds", "seconds_per_posterior"):
        seconds = getattr(estimator.performance, name)
        if seconds is not None and math.isfinite(seconds):
            yield name, seconds


def coverage_csv(results: Results) -> str:
    """Every calibration curve, one point a line."""
    header = ("estimator", "test", "x", "y", "ideal", "lower", "upper")
    rows = (
        (name, test.key, *point)
        for test in results.tests
        for name, result in test.results.items()
        for point in zip(*(getattr(result.curve, line) for line in header[2:]), strict=True)
    )
    return _csv(header, rows)


def learning_csv(results: Results) -> str:
    """Every learning curve, one epoch a line."""
    rows = (
        (f"{entry.entry}/{network}", *point)
        for entry in results.learning
        for network, curve in entry.curves.items()
        for point in zip(curve["epoch"], curve["train"], curve["valid"], strict=True)
    )
    return _csv(("network", "epoch", "train", "valid"), rows)


def _csv(header: Sequence[str], rows: Any) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()
