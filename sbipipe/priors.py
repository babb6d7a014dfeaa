"""Priors with independent, named parameters.

Every prior is known through the cumulative distribution `F` of each parameter, and so are its
maps: `q = F(theta)` takes it to the unit cube, `u = Phi^-1(F(theta))` to a standard normal. The
second is where estimators learn: it is unbounded, so nothing leaks out of the support, and

    log p(theta) = log N(u; 0, 1) + log |du/dtheta|

gives its Jacobian without another formula.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, TypeAdapter
from scipy import special, stats

from sbipipe.interfaces import Array, Generator, Mask
from sbipipe.names import ParameterName
from sbipipe.records import plugin

_EDGE = np.finfo(np.float64).eps
"""Quantiles are kept this far from 0 and 1: |u| stays below 8.2."""


@plugin
class Uniform:
    """Uniform on [low, high].

    Attributes:
        low, high: The edges.
    """

    kind: Literal["uniform"]
    low: float
    high: float

    def __post_init__(self) -> None:
        _check_order(self.low, self.high)

    @property
    def distribution(self) -> Any:
        return stats.uniform(self.low, self.high - self.low)


@plugin
class LogUniform:
    """Uniform in the logarithm on [low, high].

    Attributes:
        low, high: The edges, above zero.
    """

    kind: Literal["log_uniform"]
    low: Annotated[float, Field(gt=0)]
    high: float

    def __post_init__(self) -> None:
        _check_order(self.low, self.high)

    @property
    def distribution(self) -> Any:
        return stats.loguniform(self.low, self.high)


@plugin
class Normal:
    """Normal with mean loc and standard deviation scale.

    Attributes:
        loc: The mean.
        scale: The standard deviation.
    """

    kind: Literal["normal"]
    loc: float
    scale: Annotated[float, Field(gt=0)]

    @property
    def distribution(self) -> Any:
        return stats.norm(self.loc, self.scale)


Marginal = Annotated[Uniform | LogUniform | Normal, Field(discriminator="kind")]


class ThroughCube(ABC):
    """What a prior is once its map to the unit cube is known."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]: ...

    @abstractmethod
    def log_prob(self, theta: Array) -> Array: ...

    @abstractmethod
    def from_unit(self, q: Array) -> Array: ...

    @abstractmethod
    def to_unit(self, theta: Array) -> Array: ...

    def sample(self, n: int, rng: Generator) -> Array:
        return self.from_unit(rng.random((n, len(self.names))))

    def to_unbounded(self, theta: Array) -> Array:
        return np.asarray(special.ndtri(self.to_unit(theta)))

    def from_unbounded(self, u: Array) -> Array:
        return self.from_unit(special.ndtr(np.asarray(u, np.float64)))

    def log_det_unbounded(self, theta: Array) -> Array:
        u = self.to_unbounded(theta)
        return np.asarray(self.log_prob(theta) + 0.5 * (u**2 + np.log(2 * np.pi)).sum(-1))


@dataclass(frozen=True)
class ProductPrior(ThroughCube):
    """Independent marginals; satisfies `protocols.Prior`.

    Args:
        marginals: By name, in the order of theta's columns.
    """

    marginals: Mapping[str, Uniform | LogUniform | Normal]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.marginals)

    @property
    def variance(self) -> Array:
        """Of each parameter, with shape (D,)."""
        return np.array([float(d.var()) for d in self._distributions])

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """The support of each parameter, or its central 99.8 % where that is unbounded."""
        return tuple(_bounds(d) for d in self._distributions)

    def log_prob(self, theta: Array) -> Array:
        return np.asarray(self._columns("logpdf", theta).sum(-1))

    def inside(self, theta: Array) -> Mask:
        return np.asarray(np.isfinite(self.log_prob(theta)))

    def from_unit(self, q: Array) -> Array:
        return self._columns("ppf", np.clip(q, _EDGE, 1 - _EDGE))

    def to_unit(self, theta: Array) -> Array:
        return np.asarray(np.clip(self._columns("cdf", theta), _EDGE, 1 - _EDGE))

    @cached_property
    def _distributions(self) -> tuple[Any, ...]:
        return tuple(marginal.distribution for marginal in self.marginals.values())

    def _columns(self, method: str, values: Array) -> Array:
        """Apply a method of each parameter's distribution to its column."""
        values = np.asarray(values, np.float64)
        columns = [getattr(d, method)(values[..., i]) for i, d in enumerate(self._distributions)]
        return np.stack(columns, -1)


def _check_order(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"low {low:g} must be below high {high:g}")


def _bounds(distribution: Any) -> tuple[float, float]:
    low, high = distribution.support()
    if not np.isfinite([low, high]).all():
        low, high = distribution.interval(0.998)
    return float(low), float(high)


def _make_prior(values: Any) -> ProductPrior:
    if isinstance(values, ProductPrior):
        return values
    adapter: TypeAdapter[Any] = TypeAdapter(
        Annotated[dict[ParameterName, Marginal], Field(min_length=1)]
    )
    return ProductPrior(adapter.validate_json(json.dumps(values), strict=True))


PriorField = Annotated[ProductPrior, BeforeValidator(_make_prior)]
"""The type of a plugin's field that is written as `{name: {kind: ..., ...}, ...}`."""


def uniform_prior(**bounds: tuple[float, float]) -> ProductPrior:
    """Uniform marginals, by name."""
    return ProductPrior(
        {name: Uniform(kind="uniform", low=low, high=high) for name, (low, high) in bounds.items()}
    )
