r"""How far the mean of a statistic is from that of true fields, in standard errors.

For a statistic S measured on m generated and on n true fields at the same theta, per component,

    z = (mean S_gen - mean S_true) / sqrt(var S_gen / m + var S_true / n),

whose rms is 1 for a perfect emulator, but for Student's tails and for true fields of one box, which
are not independent.
"""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Array


def z_scores(a: Array, b: Array) -> Array:
    """z of the mean of a (m, L) from that of b (n, L); zero where neither varies."""
    error = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
    z = np.divide(a.mean(0) - b.mean(0), error, out=np.zeros_like(error), where=error > 0)
    return np.asarray(z)


def rms(values: Array) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))
