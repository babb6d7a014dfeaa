r"""Do opposite sides of fields meet?

On a periodic grid the step from the last pixel of a line to the first is like any other. So with
a_f the mean of |x_0 - x_{n-1}| over the lines of field f, and b_f the mean of all |x_{i+1} - x_i|,

    r_f = (a_f - b_f) / (a_f + b_f)

is zero on average, and positive for a field that was cut out of a larger one, if it is smoother
than white noise. Sides are apart where the mean of r_f over fields is at least `LEAST`, which is a
step four percent larger than others, and `ERRORS` of its standard errors from zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array

MOST = 512
"""Fields that are looked at, at most."""

LEAST, ERRORS = 0.02, 6.0


@dataclass(frozen=True, kw_only=True)
class Apart:
    """Sides that do not meet.

    Attributes:
        axis: Of space, counted from zero: that with the largest steps.
        step: The step across the sides, in units of that between neighbours.
    """

    axis: int
    step: float

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        return (
            f"opposite sides of axis {self.axis} differ by {self.step:.2g} times as much as "
            "neighbours do, so they do not seem to meet"
        )


def apart(x: Array) -> Apart | None:
    """The axis whose sides meet least, if there is one, of finite fields (N, C, *space), of which
    some are looked at."""
    some = np.asarray(x[evenly(len(x), MOST)], np.float64)
    found = []
    for axis in range(2, some.ndim):
        if len(some) > 1 and some.shape[axis] > 2:
            across, within = _steps(some, axis)
            total = across + within
            r = np.divide(across - within, total, out=np.zeros_like(total), where=total > 0)
            if r.mean() >= max(LEAST, ERRORS * r.std(ddof=1) / len(r) ** 0.5):
                found.append(Apart(axis=axis - 2, step=float((1 + r.mean()) / (1 - r.mean()))))
    return max(found, key=lambda one: one.step, default=None)


def _steps(fields: Array, axis: int) -> tuple[Array, Array]:
    """The mean step of each field across its sides along an axis, and between neighbours."""
    lines = np.moveaxis(fields, axis, -1).reshape(len(fields), -1, fields.shape[axis])
    return np.abs(lines[..., 0] - lines[..., -1]).mean(1), np.abs(np.diff(lines)).mean((1, 2))


__all__ = ["Apart", "apart"]
