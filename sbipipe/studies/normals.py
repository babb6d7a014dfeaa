r"""A normal in the place of each posterior whose density nobody gave.

Tests of regions need an order of theta for each observation, and any function of theta will do that
does not know which point is the truth: the rank of the truth among draws that the function has not
seen is uniform for an exact posterior. Here it is the log density of the normal

    log N(theta; m, C) = -1/2 |L^-1 (theta - m)|^2 - log det L - D/2 log 2 pi,   C = L L^T,

with the mean and covariance of other draws of the same observation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbipipe.interfaces import Array

RIDGE = 1e-9
"""Added to the diagonal of each correlation matrix: parameters that are functions of each other."""


@dataclass(frozen=True, kw_only=True)
class Normals:
    """One normal for each of N observations.

    Attributes:
        mean: The means, with shape (N, D).
        factor: The Cholesky factors of the covariances, with shape (N, D, D); NaN for an
            observation whose draws are not finite or do not vary.
    """

    mean: Array
    factor: Array

    @classmethod
    def of(cls, draws: Array) -> Normals:
        """Those with the moments of draws (n, N, D)."""
        draws = np.asarray(draws, np.float64)
        mean, width = draws.mean(0), draws.std(0)
        broken = ~(np.isfinite(draws).all(0) & (width > 0)).all(1)
        width[broken] = 1.0
        z = np.where(broken[:, None], 0.0, (draws - mean) / width)
        correlation = np.einsum("nbi,nbj->bij", z, z) / len(z)
        correlation += np.where(broken, 1.0, RIDGE)[:, None, None] * np.eye(draws.shape[-1])
        factor = width[..., None] * np.linalg.cholesky(correlation)
        factor[broken] = np.nan
        return cls(mean=mean, factor=factor)

    def log_prob(self, theta: Array) -> Array:
        """Log density in nats, (n, N, D) -> (n, N); NaN where there is no normal."""
        away = (theta - self.mean)[..., None]
        z = np.linalg.solve(self.factor, away)[..., 0]
        scale = np.log(np.diagonal(self.factor, axis1=1, axis2=2)).sum(-1)
        return np.asarray(-0.5 * (z**2 + np.log(2 * np.pi)).sum(-1) - scale)


__all__ = ["Normals"]
