"""Pareto-smoothed importance weights (Vehtari et al. 2024, JMLR 25:72).

The largest weights are replaced by the quantiles of a generalised Pareto distribution fitted to
them. Its shape k-hat says what they are worth: beyond 0.7 no affordable number of draws suffices.
"""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Array

LARGEST_K = 0.7
"""Pareto shape beyond which importance sampling is not trusted."""


_EQUAL = 1e-6
"""Log weights within this range have no tail that a shape could be fitted to."""


def smooth(log_weight: Array) -> tuple[Array, Array]:
    """Pareto-smoothed log weights (S, b), not normalised, and k-hat (b,): minus infinity where all
    weights are equal."""
    import arviz  # seconds to import, and a grid needs none of it

    top = log_weight.max(0)
    floor = np.maximum(log_weight, np.where(np.isfinite(top), top, 0.0) - 700.0)
    smoothed, k_hat = floor.copy(), np.full(floor.shape[1], -np.inf)
    uneven = ~(np.ptp(floor, 0) < _EQUAL)
    if uneven.any():
        found, shape = arviz.psislw(  # type: ignore[no-untyped-call]
            floor.T[uneven], normalize=False
        )
        smoothed[:, uneven], k_hat[uneven] = found.T, np.atleast_1d(np.asarray(shape))
    return smoothed, k_hat


__all__ = ["LARGEST_K", "smooth"]
