r"""Several parameters with a joint normal distribution.

With mean m, covariance C = L L^T and z = L^-1 (theta - m), the components of z are independent, and

    log p(theta) = log N(z; 0, 1) - log det L,      F_j(theta) = Phi(z_j),

where F_j is the distribution function of theta_j given those before it (Rosenblatt 1952).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy import linalg, special

from sbipipe.interfaces import Array
from sbipipe.names import no_parameters
from sbipipe.records import plugin

Numbers = tuple[float, ...]
Matrix = tuple[Numbers, ...]

LEAST = 1e-10
"""The least eigenvalue of a correlation matrix."""


@plugin
class MultivariateNormal:
    """Several parameters together, normal with a mean and a covariance.

    Written for all of them under one key: `omega_m, sigma_8: {kind: multivariate_normal, ...}`.

    Attributes:
        mean: The mean of each parameter.
        covariance: The covariance, row by row; or `sd` in its place.
        sd: The standard deviation of each parameter.
        correlation: The correlation of every two, as one number, or all of them, row by row; beside
            `sd`.
        nuisance: The names of those that files, figures and tables leave out.
    """

    kind: Literal["multivariate_normal"]
    mean: Annotated[Numbers, Field(min_length=1)]
    covariance: Matrix | None = None
    sd: Numbers | None = None
    correlation: float | Matrix = 0.0
    nuisance: tuple[str, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    def given(self, values: object) -> MultivariateNormal:
        """The same, whatever other parameters are."""
        return self

    def mistakes(self, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """The key and what is wrong of each number that is impossible for these parameters."""
        count = len(names)
        if len(self.mean) != count:
            yield (
                "mean",
                f"given {len(self.mean)} numbers; allowed: {count}, one for each parameter",
            )
        if (self.covariance is None) == (self.sd is None):
            yield (
                "covariance",
                "given "
                + ("nothing" if self.sd is None else "sd as well")
                + ("; allowed: covariance, or sd and correlation"),
            )
        elif self.sd is not None and (len(self.sd) != count or min(self.sd, default=0.0) <= 0):
            yield "sd", f"given {list(self.sd)}; allowed: {count} numbers above 0"
        else:
            yield from self._wrong_matrix(count)
        yield from no_parameters(self.nuisance, names)

    def _wrong_matrix(self, count: int) -> Iterator[tuple[str, str]]:
        key = "covariance" if self.sd is None else "correlation"
        given = self.covariance if self.sd is None else self.correlation
        if isinstance(given, tuple) and {len(given), *map(len, given)} != {count}:
            yield key, f"given {len(given)} rows; allowed: {count} rows of {count} numbers"
            return
        matrix = self.matrix
        if not np.array_equal(matrix, matrix.T):
            yield key, "given a matrix that is not symmetric; allowed: a symmetric one"
        elif key == "correlation" and not np.allclose(np.diag(self._correlation), 1):
            yield key, "given a diagonal that is not 1; allowed: 1"
        elif not _definite(matrix):
            yield key, f"given {given}; allowed: positive definite"

    @property
    def matrix(self) -> Array:
        """The covariance, with shape (d, d)."""
        if self.covariance is not None:
            return np.array(self.covariance, np.float64)
        sd = np.array(self.sd, np.float64)
        return np.asarray(self._correlation * np.outer(sd, sd))

    @property
    def variance(self) -> Array:
        """Of each parameter, with shape (d,)."""
        return np.diag(self.matrix)

    @property
    def support(self) -> tuple[tuple[float, float], ...]:
        """Unbounded, for each parameter."""
        return ((-math.inf, math.inf),) * len(self.mean)

    def log_prob(self, theta: Array) -> Array:
        """Log density in nats, (..., d) -> (...)."""
        scale = np.log(np.diag(self._factor)).sum()
        square = (self._normalised(theta) ** 2).sum(-1)
        return np.asarray(-0.5 * (square + len(self.mean) * np.log(2 * np.pi)) - scale)

    def to_unit(self, theta: Array) -> Array:
        """The quantile of each parameter given those before it, (..., d) -> (..., d)."""
        return np.asarray(special.ndtr(self._normalised(theta)))

    def from_unit(self, q: Array) -> Array:
        """The inverse of `to_unit`, for q in (0, 1)."""
        return np.asarray(self.mean + special.ndtri(q) @ self._factor.T)

    def _normalised(self, theta: Array) -> Array:
        flat = (theta - np.array(self.mean)).reshape(-1, len(self.mean))
        z = linalg.solve_triangular(self._factor, flat.T, lower=True, check_finite=False)
        return np.asarray(z.T.reshape(theta.shape))

    @cached_property
    def _factor(self) -> Array:
        return np.linalg.cholesky(self.matrix)

    @property
    def _correlation(self) -> Array:
        if isinstance(self.correlation, tuple):
            return np.array(self.correlation, np.float64)
        count = len(self.sd or ())
        return np.full((count, count), self.correlation) + np.diag([1 - self.correlation] * count)


def _definite(matrix: Array) -> bool:
    """Whether the correlations of a symmetric matrix (d, d) are those of a distribution."""
    variance = np.diag(matrix)
    if not (variance > 0).all():
        return False
    return bool(np.linalg.eigvalsh(matrix / np.sqrt(np.outer(variance, variance)))[0] > LEAST)


__all__ = ["MultivariateNormal"]
