"""Results and figures -> the page that a person reads first, and tables for DVC.

Nothing is computed here. The page is one file: figures inside it as data URIs, no script, nothing
fetched. Every word from outside passes through Jinja2's escaping.
"""

from __future__ import annotations

import csv
import io
import math
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sbipipe.figures.night import at_night
from sbipipe.gate.verdict import Estimate, Interval
from sbipipe.interfaces import SPLITS
from sbipipe.results.answer import answers
from sbipipe.results.calibration import Judged
from sbipipe.results.run import Results

if TYPE_CHECKING:
    from sbipipe.figures.style import Drawing

SIGNS = {
    "calibrated": "✓",
    "overconfident": "✗",
    "underconfident": "✗",
    "biased": "✗",
    "misshapen": "✗",
    "uninformative": "✗",
    "inconclusive": "?",
}
"""A sign for each verdict, so that none rests on colour."""

NONE, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"

_SYMBOLS = {
    "omega_m": "Ω<sub>m</sub>",
    "sigma_8": "\N{GREEK SMALL LETTER SIGMA}<sub>8</sub>",
    "omega_b": "Ω<sub>b</sub>",
    "n_s": "<i>n</i><sub>s</sub>",
    "h": "<i>h</i>",
    "log_prob": "log density",
}


def page(results: Results, gallery: Mapping[str, Sequence[Drawing]]) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("sbipipe"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "symbol": symbol,
        "nats": nats,
        "p": p_value,
        "interval": interval,
        "percent": percent,
        "number": number,
        "duration": duration,
        "listed": listed,
        "source": source,
    }
    environment.tests["finite"] = math.isfinite
    template = environment.get_template("report.html")
    return template.render(
        results=results,
        answers=answers(results.sharing, results.estimators, results.pairs),
        gallery=gallery,
        signs=SIGNS,
        splits=SPLITS,
        verdict=verdict(results),
    )


def verdict(results: Results) -> str:
    """The whole run in a few sentences."""
    out = [e.name for e in results.estimators if e.verdict.published]
    total = len(results.estimators)
    sentences = [_opening(out, total)]
    sentences += [_withheld(e) for e in results.estimators if not e.verdict.published]
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


def _withheld(estimator: Judged) -> str:
    """Why, in the first of the reasons."""
    reason = estimator.verdict.reasons[0]
    outcome = estimator.verdict.verdict
    return f"{estimator.name} is withheld as {outcome}: {reason[:1].lower()}{reason[1:]}."


# How values are written


def symbol(name: str) -> Markup:
    """A parameter's name."""
    return Markup(_SYMBOLS.get(name) or escape(name))


def number(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits."""
    if value is None or not math.isfinite(value):
        return NONE
    whole = abs(value) >= 10 ** (digits - 1)
    return (f"{value:.0f}" if whole else f"{value:.{digits}g}").replace("-", MINUS)


def nats(estimate: Estimate | None) -> str:
    """A mean and its standard error."""
    if estimate is None:
        return NONE
    if math.isfinite(estimate.se):
        return f"{_signed(estimate.mean)} ± {estimate.se:.2g}"
    others = estimate.finite_mean
    finite = f"; others {_signed(others)}" if math.isfinite(others) else ""
    return f"infinite for {estimate.infinite}{finite}" if estimate.infinite else NONE


def interval(found: Interval) -> str:
    """A value and the ends of its interval."""
    if not math.isfinite(found.value):
        return NONE
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})".replace("-", MINUS)


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", MINUS)


def p_value(value: float) -> str:
    """A p-value to two digits."""
    if value >= 0.001:
        return f"{value:.2g}"
    return (
        f"{value:.0e}".replace("e-0", "e-").replace("-", MINUS) if value > 0 else f"< 1e{MINUS}300"
    )


def percent(value: float | None) -> str:
    """A share."""
    return NONE if value is None or not math.isfinite(value) else f"{100 * value:.0f} %"


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    for size, unit in ((3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{1000 * seconds:.2g} ms"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def source(drawing: Drawing) -> str:
    """A figure as a data URI; lines follow a dark page."""
    media = {"svg": "image/svg+xml", "png": "image/png"}[drawing.suffix]
    return f"data:{media};base64,{b64encode(at_night(drawing.image)).decode()}"


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
