r"""What a prior is once its map to the unit cube is known.

With F_i the distribution function of parameter i given some of the others, in an order without
circles, q_i = F_i(theta_i | those) takes the prior to the unit cube (Rosenblatt 1952), and
u = Phi^-1(q) to a standard normal. The second is where estimators learn: it is unbounded, so
nothing leaks out of the support, and

    log p(theta) = log N(u; 0, 1) + log |du/dtheta|

gives its Jacobian without another formula: that of the map is triangular in the order of the
conditions, with the conditional densities on its diagonal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from scipy import special

from sbipipe.interfaces import Array, Generator, Mask

EDGE = np.finfo(np.float64).eps
"""Quantiles are kept this far from 0 and 1: |u| stays below 8.2."""


class ThroughCube(ABC):
    """A prior; satisfies `protocols.Prior`."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def nuisance(self) -> tuple[str, ...]: ...

    @abstractmethod
    def log_prob(self, theta: Array) -> Array: ...

    @abstractmethod
    def from_unit(self, q: Array) -> Array: ...

    @abstractmethod
    def to_unit(self, theta: Array) -> Array: ...

    @property
    def fixed(self) -> Mapping[str, float]:
        return {}

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    @property
    def source(self) -> str:
        """Equal while the files that the prior is made of are; empty where there are none."""
        return ""

    @property
    def shown(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in self.nuisance)

    def inside(self, theta: Array) -> Mask:
        return np.asarray(np.isfinite(self.log_prob(theta)))

    def sample(self, n: int, rng: Generator) -> Array:
        return self.from_unit(rng.random((n, len(self.names))))

    def to_unbounded(self, theta: Array) -> Array:
        return np.asarray(special.ndtri(self.to_unit(theta)))

    def from_unbounded(self, u: Array) -> Array:
        return self.from_unit(special.ndtr(np.asarray(u, np.float64)))

    def log_det_unbounded(self, theta: Array) -> Array:
        u = self.to_unbounded(theta)
        return np.asarray(self.log_prob(theta) + 0.5 * (u**2 + np.log(2 * np.pi)).sum(-1))

    def complete(self, theta: Array) -> Array:
        """With the fixed parameters as columns among the others, (..., D) -> (..., C)."""
        if not self.fixed:
            return theta
        own = {name: theta[..., i] for i, name in enumerate(self.names)}
        shape = np.shape(theta)[:-1]
        columns = [
            np.full(shape, self.fixed[name]) if name in self.fixed else own[name]
            for name in self.columns
        ]
        return np.stack(columns, -1)

    def free(self, columns: Array) -> Array:
        """Without the columns of fixed parameters, (..., C) -> (..., D)."""
        if not self.fixed:
            return columns
        return columns[..., [self.columns.index(name) for name in self.names]]


__all__ = ["EDGE", "ThroughCube"]
