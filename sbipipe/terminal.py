"""Tables on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import floor, isfinite, log10
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from sbipipe.pace import words

if TYPE_CHECKING:
    from sbipipe.costs.cost import Cost
    from sbipipe.costs.stage import Stage
    from sbipipe.posteriors.comparison import Pair
    from sbipipe.posteriors.content import PosteriorFile
    from sbipipe.sets.trivial import Trivial

SHOWN = 12
"""Observations in a table."""


def show(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def moments(content: PosteriorFile, title: str | None = None) -> Table:
    """Mean, standard deviation and effective sample size of each observation."""
    mean, width = content.moments
    table = Table("observation", *content.shown, "effective draws", title=title, box=None)
    for b in range(min(len(mean), SHOWN)):
        cells = [_with_error(m, s) for m, s in zip(mean[b], width[b], strict=True)]
        table.add_row(str(b), *cells, f"{content.samples.effective_sample_size[b]:.0f}")
    notes = ["mean ± standard deviation of the draws"]
    notes += [f"and {len(mean) - SHOWN} more"] if len(mean) > SHOWN else []
    notes += [f"marginalised over {', '.join(content.nuisance)}"] if content.nuisance else []
    notes += [f"with {name} = {value:g}" for name, value in content.fixed.items()]
    table.caption = "; ".join(notes)
    return table


def _with_error(mean: float, width: float) -> str:
    """As many digits as two of the width's call for."""
    if not (isfinite(width) and width > 0):
        return f"{mean:.4g} ± {width:.2g}"
    digits = max(0, 1 - floor(log10(width)))
    return f"{mean:.{digits}f} ± {width:.{digits}f}"


def pairs(found: tuple[Pair, ...], short: Mapping[str, str]) -> Table:
    """Differences of the first file of a pair from the second, averaged over observations.

    Args:
        short: What each file is called.
    """
    table = Table("a", "b", "parameter", "(a - b) / sd", "width a / b", "C2ST", box=None)
    for pair in found:
        for parameter, difference in pair.by_parameter.items():
            table.add_row(
                short[pair.a],
                short[pair.b],
                parameter,
                f"{difference.signed_shift_sigma:+.3f}",
                f"{difference.width_ratio:.3f}",
                f"{pair.c2st:.3f}",
            )
    table.caption = "C2ST: 0.5 where nothing tells the draws apart, 1 where everything does"
    return table


def trivial(known: dict[str, Trivial]) -> Table:
    """What features that take no inference know of each parameter."""
    table = Table("simulate", "parameter", "row number", "moments of x", box=None)
    for name, one in known.items():
        for parameter, number, moments in zip(one.parameters, one.number, one.moments, strict=True):
            table.add_row(name, parameter, f"{number:.0%}", f"{moments:.0%}")
    table.caption = (
        "how much of the variance of a parameter's ranks is explained by the row number alone, and "
        "by the least value, mean and standard deviation of a row"
    )
    return table


def costs(found: dict[str, Cost]) -> Table:
    table = Table("simulate", "rows", "shape", "one", "all", "disk", "memory", box=None)
    for name, cost in found.items():
        if cost.shape is None:
            table.add_row(name, str(cost.rows), "not measured")
            continue
        table.add_row(
            name,
            f"{cost.rows}" + (f" ({cost.excluded} not finite)" if cost.excluded else ""),
            str(cost.shape),
            "read" if cost.each is None else f"{cost.each:.3g} s",
            f"{cost.seconds / 60:.1f} min",
            f"{cost.disk / 1e6:.3g} MB",
            f"{cost.memory / 1e6:.3g} MB",
        )
    table.caption = "one: measured just now, on one of the workers; disk: before compression"
    return table


def stages(found: list[Stage]) -> Table:
    """What each stage will take, and all of them."""
    table = Table("stage", "time", "of", box=None)
    for stage in found:
        table.add_row(stage.name, "" if stage.seconds is None else words(stage.seconds), stage.of)
    table.add_row("all of these", words(sum(stage.seconds or 0.0 for stage in found)), "")
    table.caption = (
        "without a run before: two or three times as long, or as short, is possible; longer where "
        "the machine has other work; the gate and the page are not counted"
    )
    return table


__all__ = ["costs", "moments", "pairs", "show", "stages", "trivial"]
