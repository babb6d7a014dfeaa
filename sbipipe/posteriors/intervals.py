r"""A parameter's posterior in the numbers of a table: median, and 68 and 95 % intervals.

Intervals are central: equal shares of the draws lie beyond either end. Written, a value has as many
digits as two of the shorter arm of its 68 % interval call for: 0.312 +0.021 -0.019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

import numpy as np

from sbipipe.interfaces import Array

LEVELS = (0.68, 0.95)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One parameter of one posterior.

    Attributes:
        parameter: The name of the parameter.
        median: The median of the draws; NaN where there are none.
        low_68, high_68: The ends of the central 68 % interval.
        low_95, high_95: The ends of the central 95 % interval.
    """

    parameter: str
    median: float
    low_68: float
    high_68: float
    low_95: float
    high_95: float

    @property
    def digits(self) -> int:
        """Decimals that the 68 % interval calls for."""
        arm = min(self.high_68 - self.median, self.median - self.low_68)
        return max(0, 1 - floor(log10(arm))) if isfinite(arm) and arm > 0 else 3

    @property
    def arms(self) -> tuple[str, str, str]:
        """The median, and how far up and down the 68 % interval goes, as numbers are printed."""
        up, down = self.high_68 - self.median, self.median - self.low_68
        return self._printed(self.median), self._printed(up), self._printed(down)

    def between(self, level: float) -> tuple[str, str]:
        """The ends of an interval, as numbers are printed.

        Args:
            level: 0.68 or 0.95.
        """
        ends = (self.low_68, self.high_68) if level == LEVELS[0] else (self.low_95, self.high_95)
        return self._printed(ends[0]), self._printed(ends[1])

    def _printed(self, value: float) -> str:
        """With the decimals that the 68 % interval calls for, and no sign before a zero."""
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}"


def summary(parameters: Sequence[str], draws: Array) -> tuple[Summary, ...]:
    """Of the draws (n, D) of one observation; NaN where it could not be sampled."""
    tails = [0.5] + [0.5 * (1 + side * level) for level in LEVELS for side in (-1, 1)]
    values = np.quantile(np.asarray(draws, np.float64), tails, axis=0)
    names = ("median", "low_68", "high_68", "low_95", "high_95")
    return tuple(
        Summary(parameter=parameter, **dict(zip(names, map(float, column), strict=True)))
        for parameter, column in zip(parameters, values.T, strict=True)
    )


_LATEX = {
    "omega_m": r"\Omega_\mathrm{m}",
    "sigma_8": r"\sigma_8",
    "omega_b": r"\Omega_\mathrm{b}",
    "h": "h",
    "n_s": r"n_\mathrm{s}",
}


def latex(rows: Sequence[Summary]) -> str:
    """The medians with their 68 % intervals, a line of mathematics for each parameter."""
    return "\n".join(f"${_symbol(one.parameter)} = {_value(one)}$" for one in rows)


def _symbol(name: str) -> str:
    escaped = name.replace("_", r"\_")
    return _LATEX.get(name, rf"\mathrm{{{escaped}}}")


def _value(one: Summary) -> str:
    middle, up, down = one.arms
    return rf"{middle} \pm {up}" if up == down else f"{middle}^{{+{up}}}_{{-{down}}}"


__all__ = ["LEVELS", "Summary", "latex", "summary"]
