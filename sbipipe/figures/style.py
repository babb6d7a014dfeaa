"""How every figure looks: one palette, one size of type, and how a figure becomes a file.

Colours are those of Okabe & Ito (2008), told apart by readers of every colour vision, with a violet
in the place of their second blue; line style and marker differ as well, so that nothing rests on
colour alone. Figures are drawn for a column of
about 370 CSS pixels and one point of type is the same everywhere: a page places them beside each
other where it is wide and below each other where it is narrow.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from sbipipe.records import InputError

COLUMN, NARROW = 3.6, 2.75
"""Widths of figures of which three or four stand beside each other, in inches of 100 pixels."""

ROWS = 3
"""Rows of a legend that a figure's height has room for."""

INK, FAINT, BAND = "#1c1c1c", "#8a8a8a", "#d9d9d9"

ON_PALE, ON_DARK = "#101010", "#fdfdfd"
"""Of words on a coloured ground, which stay as they are where a page is dark (`night`)."""

GENERATED = "#0072B2"
"""Of generated fields; true ones are in ink."""

SEQUENTIAL = "cividis"
"""A perceptually uniform colour map, the same for every colour vision."""

_SETTINGS: Any = {
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.4,
    "mathtext.fontset": "dejavusans",
    "svg.fonttype": "path",
    "svg.hashsalt": "sbipipe",
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#4B2A86")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_SYMBOLS = {
    "omega_m": r"$\Omega_m$",
    "sigma_8": r"$\sigma_8$",
    "omega_b": r"$\Omega_b$",
    "h": "$h$",
    "n_s": "$n_s$",
    "log_prob": "log density",
}


_TIMES = "\N{MULTIPLICATION SIGN}"
_RAISED = str.maketrans("-\N{MINUS SIGN}0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Look:
    """How one estimator, or one network, is drawn."""

    colour: str
    line: Any
    marker: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A finished figure.

    Attributes:
        name: Of its file, without suffix.
        alt: What it shows, for readers who do not see it.
        caption: Below it on the page; may be empty.
        image: The file's content.
        suffix: "svg" or "png".
        width: In CSS pixels.
    """

    name: str
    alt: str
    caption: str
    image: bytes
    suffix: Literal["svg", "png"]
    width: int

    def save(self, path: str | Path) -> None:
        """Write the file; its name may leave out the suffix.

        Raises:
            InputError: If the name has another suffix than the figure.
        """
        path = Path(path)
        if path.suffix not in {"", f".{self.suffix}"}:
            raise InputError(f"{path}: given {path.suffix}; allowed: .{self.suffix}")
        path.with_suffix(f".{self.suffix}").write_bytes(self.image)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """How a notebook shows it."""
        if self.suffix == "svg":
            return {"image/svg+xml": self.image.decode(), "text/plain": self.alt}
        return {"image/png": self.image, "text/plain": self.alt}


def looks(names: Sequence[str], exact: Sequence[str] = ()) -> dict[str, Look]:
    """A look for each name, by its place among all; exact posteriors are black and dashed.

    Args:
        names: All estimators of a run, in the order of `params.yaml`, so that each looks the same
            in every figure of every page.
        exact: Those of them that are exact.
    """
    learned = [name for name in names if name not in exact]
    chosen = {
        name: Look(
            _COLOURS[i % len(_COLOURS)],
            _LINES[(i + i // len(_COLOURS)) % len(_LINES)],
            _MARKERS[i % len(_MARKERS)],
        )
        for i, name in enumerate(learned)
    }
    return {name: chosen.get(name, Look("#000000", (0, (3, 1.5)), "*")) for name in names}


def symbol(name: str) -> str:
    """A parameter's name as figures write it."""
    return _SYMBOLS.get(name, plain(name))


def superscript(unit: str) -> str:
    """A unit with its powers raised."""
    return re.sub(r"\^(\d+)", r"$^\1$", plain(unit))


def formula(quantity: str) -> str:
    """What a pixel holds, as `log10(1 + delta)` is printed."""
    return plain(quantity).replace("log10", r"$\log_{10}$").replace("delta", r"$\delta$")


def plain(text: str) -> str:
    """Text that matplotlib must not read as mathematics."""
    return text.replace("$", r"\$")


@contextmanager
def canvas(width: float = COLUMN, height: float = 3.0) -> Iterator[Figure]:
    """A figure of this size in inches, to be drawn and finished inside the `with`."""
    with mpl.rc_context(_SETTINGS):
        yield Figure(figsize=(width, height), layout="constrained")


def finish(
    figure: Figure,
    name: str,
    alt: str,
    caption: str = "",
    suffix: Literal["svg", "png"] = "svg",
) -> Drawing:
    """The figure as a file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    dateless = {"Date": None} if suffix == "svg" else {"Software": None}
    figure.savefig(buffer, format=suffix, dpi=220, metadata=dateless)
    return Drawing(
        name=name,
        alt=alt,
        caption=caption,
        image=buffer.getvalue(),
        suffix=suffix,
        width=round(100 * figure.get_figwidth()),
    )


class Scaled(ScalarFormatter):
    """Numbers of a linear axis, in units of a power of ten that stands above it.

    They are plain text: matplotlib takes a hundred times as long to read mathematics.
    """

    def get_offset(self) -> str:
        said: str = super().get_offset()
        return re.sub(r"^1e(.+)", lambda found: f"{_TIMES}10{found[1].translate(_RAISED)}", said)


def powers_of_ten(axis: Axis, subs: Sequence[float] = (1, 2, 5)) -> None:
    """Numbers of a logarithmic axis, at these multiples of powers of ten."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def head(figure: Figure, title: str, handles: Sequence[Any] = (), columns: int = 2) -> None:
    """A title, and below it a legend above all axes.

    The legend has fewer columns where its labels are too long for the figure, which grows by what
    the legend takes beyond `ROWS` rows, so that the axes keep their height.
    """
    for fewer in range(columns, 0, -1):
        legend = figure.legend(
            handles=list(handles),
            title=title,
            title_fontproperties={"weight": "bold", "size": 9.5},
            alignment="left",
            loc="outside upper left",
            ncols=fewer,
            columnspacing=1.2,
            borderpad=0.1,
            labelspacing=0.3,
        )
        if fewer == 1 or legend.get_window_extent().width < figure.bbox.width:
            break
        legend.remove()
    rows = -(-len(handles) // fewer)
    if rows > ROWS:
        inches = legend.get_window_extent().height / figure.dpi
        figure.set_figheight(figure.get_figheight() + inches * (1 - ROWS / rows))


def name_axes(axes: Axes, parameters: Sequence[str], i: int, j: int) -> None:
    """Names and numbers at the left and lower edges of the corner of all parameters alone.

    Args:
        i, j: The row and the column of the panel.
    """
    if i == len(parameters) - 1:
        axes.set_xlabel(symbol(parameters[j]))
    else:
        axes.tick_params(labelbottom=False)
    if j == 0 and i > 0:
        axes.set_ylabel(symbol(parameters[i]))
    elif i != j:
        axes.tick_params(labelleft=False)
