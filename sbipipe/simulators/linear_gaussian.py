r"""A polynomial observed with noise: the case whose posterior is known in closed form.

    x = A theta + noise,   theta ~ N(0, S^2 I_D),   noise ~ N(0, s^2 I_L),   A_lj = t_l^j,
    t_l = (l + 1) / L  for l = 0..L-1,   j = 0..D-1,

that is, theta holds the coefficients of a polynomial seen at L points of (0, 1]. The posterior is
normal (Bishop 2006, eq. 3.49-3.51), with correlated parameters,

    covariance = (A^T A / s^2 + I / S^2)^-1,   mean = covariance A^T x / s^2,

and under any other prior that is normal, with its covariance in the place of S^2 I.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, cast

import numpy as np
from pydantic import Field

from sbipipe.interfaces import Array, Generator, Vectors
from sbipipe.names import unnamed
from sbipipe.priors.prior import Declared, Normal, PriorField, ProductPrior
from sbipipe.records import Positive, plugin

__all__ = ["LinearGaussian"]


@plugin
class LinearGaussian:
    """Vectors x with shape (N, observations); theta = (theta_0, theta_1, ...).

    Attributes:
        dimension: The number D of parameters; as many as `prior` has, where that is given.
        observations: The length L of x.
        noise: The standard deviation s of the noise.
        prior_scale: The standard deviation S of the prior, where none is given.
        prior: The prior of any parameters, in the order of the powers that they multiply; normal
            ones called theta_0, theta_1 and so on where it is null.
    """

    dimension: Positive = 2
    observations: Positive = 4
    noise: Annotated[float, Field(gt=0)] = 0.5
    prior_scale: Annotated[float, Field(gt=0)] = 1.0
    prior: PriorField = cast(Declared, None)

    def __post_init__(self) -> None:
        if self.prior is None:
            marginal = Normal(kind="normal", loc=0.0, scale=self.prior_scale)
            prior = ProductPrior(dict.fromkeys(unnamed(self.dimension), marginal))
            object.__setattr__(self, "prior", prior)

    @property
    def maps(self) -> int:
        return 1

    @property
    def data(self) -> Vectors:
        return Vectors(components=tuple(f"x{i}" for i in range(self.observations)))

    @cached_property
    def design(self) -> Array:
        """A, with shape (L, D)."""
        t = (np.arange(self.observations) + 1) / self.observations
        return t[:, None] ** np.arange(len(self.prior.columns))

    def simulate(self, theta: Array, rng: Generator) -> Array:
        noise = self.noise * rng.standard_normal((len(theta), self.observations))
        return np.asarray(theta, np.float64) @ self.design.T + noise

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        """log p(x | theta) in nats, (n, B, D) and (B, L) -> (n, B)."""
        residual = (np.asarray(x, np.float64) - theta @ self.design.T) / self.noise
        constant = self.observations * np.log(2 * np.pi * self.noise**2)
        return np.asarray(-0.5 * ((residual**2).sum(-1) + constant))
