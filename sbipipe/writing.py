"""How values are written on a page, and the templates that it is made of.

Every word from outside passes through Jinja2's escaping.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sbipipe.figures.night import at_night
from sbipipe.gate.verdict import Estimate, Interval

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


def environment() -> Environment:
    """The templates of the package, with the filters by which they write values."""
    found = Environment(
        loader=PackageLoader("sbipipe"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    writers = (symbol, breakable, nats, interval, percent, number, duration, listed, source)
    found.filters |= {writer.__name__: writer for writer in writers}
    found.filters["p"] = p_value
    found.tests["finite"] = math.isfinite
    return found


def symbol(name: str) -> Markup:
    """A parameter's name."""
    return Markup(_SYMBOLS.get(name) or escape(name))


def breakable(name: str) -> Markup:
    """The name of an entry or a file, which a narrow column may break behind its marks."""
    return Markup(re.sub(r"([_+/])", r"\1<wbr>", str(escape(name))))


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
    return f"{number(1000 * seconds, 2)} ms"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def source(drawing: Drawing) -> str:
    """A figure as a data URI; lines follow a dark page."""
    media = {"svg": "image/svg+xml", "png": "image/png"}[drawing.suffix]
    return f"data:{media};base64,{b64encode(at_night(drawing.image)).decode()}"
