"""Priors of named parameters: independent, estimated from draws, or composed of such parts.

A prior of independent parameters is known by the distribution of each (`marginals`). One that is
composed has parts: a parameter alone or given others, several parameters that are jointly normal
(`multivariate`) or have the density of an earlier chain (`earlier`), and parameters that are fixed.
All of them are maps to the unit cube (`cube`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import scipy
from pydantic import BeforeValidator, Field, TypeAdapter

from sbipipe.interfaces import Array, Mask
from sbipipe.names import ParameterNames, parameters_of
from sbipipe.priors import parts as written
from sbipipe.priors.cube import EDGE, ThroughCube
from sbipipe.priors.earlier import Draws
from sbipipe.priors.marginals import Fixed, LogUniform, Marginal, Normal, Range, Uniform, Values
from sbipipe.priors.mixtures import Mixture, of_chain
from sbipipe.priors.multivariate import MultivariateNormal
from sbipipe.priors.parts import Problem, ordered, problems, refused

AnyPart = Uniform | LogUniform | Normal | Fixed | MultivariateNormal | Draws
"""What may be written for a parameter, or for several under one key."""

POINTS = 2**14
"""Even points of a composed prior that say what has no formula."""


@dataclass(frozen=True)
class ProductPrior(ThroughCube):
    """Independent marginals.

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
    def bounds(self) -> tuple[Range, ...]:
        """The support of each parameter, or its central 99.8 % where that is unbounded."""
        return tuple(_bounds(d) for d in self._distributions)

    @property
    def margins(self) -> ProductPrior:
        return self

    @property
    def nuisance(self) -> tuple[str, ...]:
        return tuple(name for name, one in self.marginals.items() if one.nuisance)

    def log_prob(self, theta: Array) -> Array:
        return np.asarray(self._columns("logpdf", theta).sum(-1))

    def from_unit(self, q: Array) -> Array:
        return self._columns("ppf", np.clip(q, EDGE, 1 - EDGE))

    def to_unit(self, theta: Array) -> Array:
        return np.asarray(np.clip(self._columns("cdf", theta), EDGE, 1 - EDGE))

    @cached_property
    def _distributions(self) -> tuple[Any, ...]:
        return tuple(marginal.distribution for marginal in self.marginals.values())

    def _columns(self, method: str, values: Array) -> Array:
        """Apply a method of each parameter's distribution to its column."""
        values = np.asarray(values, np.float64)
        columns = [getattr(d, method)(values[..., i]) for i, d in enumerate(self._distributions)]
        return np.stack(columns, -1)


@dataclass(frozen=True, kw_only=True)
class DrawnPrior(ThroughCube):
    """An estimate of the density that parameters were drawn from.

    Attributes:
        within: Parameters that have its support.
        mixture: Its density in the space where `within` is a standard normal.
        variance: The variance of each parameter in the draws, with shape (D,).
    """

    within: Declared
    mixture: Mixture
    variance: Array

    @property
    def names(self) -> tuple[str, ...]:
        return self.within.names

    @property
    def bounds(self) -> tuple[Range, ...]:
        """Those of `within`."""
        return self.within.bounds

    @property
    def margins(self) -> ProductPrior:
        return self.within.margins

    @property
    def nuisance(self) -> tuple[str, ...]:
        return self.within.nuisance

    @property
    def fixed(self) -> Mapping[str, float]:
        return self.within.fixed

    @property
    def columns(self) -> tuple[str, ...]:
        return self.within.columns

    @property
    def source(self) -> str:
        return self.within.source

    def given(self, values: object) -> DrawnPrior:
        """The same, whatever other parameters are."""
        return self

    def log_prob(self, theta: Array) -> Array:
        u = self.within.to_unbounded(theta)
        density = self.mixture.log_prob(u) + self.within.log_det_unbounded(theta)
        return np.where(self.inside(theta), density, -np.inf)

    def inside(self, theta: Array) -> Mask:
        return self.within.inside(theta)

    def from_unit(self, q: Array) -> Array:
        q = np.clip(np.asarray(q, np.float64), EDGE, 1 - EDGE)
        return self.within.from_unbounded(self.mixture.from_unit(q))

    def to_unit(self, theta: Array) -> Array:
        q = self.mixture.to_unit(self.within.to_unbounded(theta))
        return np.asarray(np.clip(q, EDGE, 1 - EDGE))


Law = Uniform | LogUniform | Normal | MultivariateNormal | DrawnPrior
"""A part whose distribution is known."""


@dataclass(frozen=True)
class ComposedPrior(ThroughCube):
    """Parts, some of which may depend on others.

    Args:
        parts: By name, or by names with commas between, in the order of theta's columns.
    """

    parts: Mapping[str, AnyPart]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for key in self.parts for name in parameters_of(key))

    @cached_property
    def fixed(self) -> Mapping[str, float]:
        return {key: one.value for key, one in self.parts.items() if isinstance(one, Fixed)}

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name not in self.fixed)

    @property
    def nuisance(self) -> tuple[str, ...]:
        marked: set[str] = set()
        for key, one in self.parts.items():
            if isinstance(one, MultivariateNormal | Draws):
                marked |= {*one.nuisance}
            elif not isinstance(one, Fixed) and one.nuisance:
                marked.add(key)
        return tuple(name for name in self.names if name in marked)

    @cached_property
    def source(self) -> str:
        return " ".join(one.digest for one in self.parts.values() if isinstance(one, Draws))

    @property
    def variance(self) -> Array:
        """Of each parameter, with shape (D,); of one that depends on others, over even points."""
        found = dict(zip(self.names, self._points.var(0), strict=True))
        for names, one in self._laws:
            if not isinstance(one, Marginal):
                found |= dict(zip(names, one.variance, strict=True))
            elif not one.needs:
                found[names[0]] = float(one.distribution.var())
        return np.array([found[name] for name in self.names])

    @property
    def bounds(self) -> tuple[Range, ...]:
        """The support of each parameter, or the central 99.8 % on a side that has no edge."""
        ends = np.quantile(self._points, [0.001, 0.999], axis=0).T
        both = zip((self._support[name] for name in self.names), ends, strict=True)
        return tuple(
            (low if np.isfinite(low) else float(least), high if np.isfinite(high) else float(most))
            for (low, high), (least, most) in both
        )

    @cached_property
    def margins(self) -> ProductPrior:
        found: dict[str, Uniform | LogUniform | Normal] = {}
        for names, one in self._laws:
            for name, i in zip(names, self._places(names), strict=True):
                if isinstance(one, Uniform | LogUniform | Normal) and not one.needs:
                    found[name] = one
                else:
                    found[name] = _alone(self._points[:, i], *self._support[name])
        return ProductPrior({name: found[name] for name in self.names})

    def log_prob(self, theta: Array) -> Array:
        theta = np.asarray(theta, np.float64)
        total = np.zeros(theta.shape[:-1])
        for names, one in self._laws:
            law = one.given(self._values(theta))
            total = total + law.log_prob(theta[..., self._places(names)])
        return np.asarray(total)

    def to_unit(self, theta: Array) -> Array:
        theta = np.asarray(theta, np.float64)
        q = np.empty(theta.shape)
        for names, one in self._laws:
            own = self._places(names)
            q[..., own] = one.given(self._values(theta)).to_unit(theta[..., own])
        return np.asarray(np.clip(q, EDGE, 1 - EDGE))

    def from_unit(self, q: Array) -> Array:
        q = np.clip(np.asarray(q, np.float64), EDGE, 1 - EDGE)
        theta, known = np.empty(q.shape), dict[str, Any](self.fixed)
        for names, one in self._laws:
            own = self._places(names)
            theta[..., own] = one.given(known).from_unit(q[..., own])
            known |= {name: theta[..., i] for name, i in zip(names, own, strict=True)}
        return theta

    def disorders(self) -> Iterator[Problem]:
        """What is impossible somewhere of parameters that depend on others."""
        for names, one in self._laws:
            if isinstance(one, Marginal) and one.needs:
                known = self._values(self._points)
                yield from (((*names, key), why) for key, why in one.disorders(known))

    @cached_property
    def _laws(self) -> tuple[tuple[tuple[str, ...], Law], ...]:
        """The parts that are not fixed with their parameters, each after those that it is given."""
        found: list[tuple[tuple[str, ...], Law]] = []
        for key in ordered(self.parts):
            names, one = parameters_of(key), self.parts[key]
            if isinstance(one, Draws):
                found.append((names, _estimate(one, names)))
            elif not isinstance(one, Fixed):
                found.append((names, one))
        return tuple(found)

    @cached_property
    def _support(self) -> Mapping[str, Range]:
        found: dict[str, Range] = {name: (value, value) for name, value in self.fixed.items()}
        for names, one in self._laws:
            if isinstance(one, Marginal):
                found[names[0]] = one.support(found)
            elif isinstance(one, MultivariateNormal):
                found |= dict(zip(names, one.support, strict=True))
            else:
                marginals = one.within.margins.marginals
                found |= {name: marginals[name].support({}) for name in names}
        return found

    @cached_property
    def _points(self) -> Array:
        sobol = scipy.stats.qmc.Sobol(len(self.names), scramble=True, rng=np.random.default_rng(0))
        return self.from_unit(sobol.random(POINTS))

    def _places(self, names: tuple[str, ...]) -> list[int]:
        return [self.names.index(name) for name in names]

    def _values(self, theta: Array) -> Values:
        return {**self.fixed, **{name: theta[..., i] for i, name in enumerate(self.names)}}


def _bounds(distribution: Any) -> Range:
    """The support, or the central 99.8 % on a side that has no edge."""
    low, high = distribution.support()
    return (
        float(low if np.isfinite(low) else distribution.interval(0.998)[0]),
        float(high if np.isfinite(high) else distribution.interval(0.998)[1]),
    )


def _alone(points: Array, low: float, high: float) -> Uniform | Normal:
    """One parameter without the others that it depends on, roughly, by points (N,)."""
    if np.isfinite(low) and np.isfinite(high):
        return Uniform(kind="uniform", low=low, high=high)
    loc, scale = float(points.mean()), float(points.std())
    edges = [float(edge) if np.isfinite(edge) else None for edge in (low, high)]
    return Normal(kind="normal", loc=loc, scale=scale, low=edges[0], high=edges[1])


def _estimate(draws: Draws, names: tuple[str, ...]) -> DrawnPrior:
    """The density of an earlier chain."""
    edges = [(draws.low.get(name, -np.inf), draws.high.get(name, np.inf)) for name in names]
    rows = draws.read(names)
    marginals = {
        name: _alone(column, *ends) for name, column, ends in zip(names, rows.T, edges, strict=True)
    }
    within = ProductPrior(marginals)
    mixture = of_chain(within.to_unbounded(rows).tobytes(), len(names))
    return DrawnPrior(within=within, mixture=mixture, variance=rows.var(0))


def compose(parts: Mapping[str, AnyPart]) -> Declared:
    """The prior that has these parts, by name, or by names with commas between.

    Raises:
        ValidationError: With everything that is impossible.
    """
    if found := [*problems(parts)]:
        raise refused(found)
    alone = {
        key: one
        for key, one in parts.items()
        if isinstance(one, Uniform | LogUniform | Normal) and not one.needs
    }
    prior = ProductPrior(alone) if len(alone) == len(parts) else ComposedPrior(parts)
    if not prior.shown:
        raise refused([((), "given none that is learned and shown; allowed: one at least")])
    if isinstance(prior, ComposedPrior) and (found := [*prior.disorders()]):
        raise refused(found)
    return prior


def plain(prior: Declared) -> dict[str, Any]:
    """A prior as plain values: what `params.yaml` has."""
    return written.plain(prior.marginals if isinstance(prior, ProductPrior) else prior.parts)


def _make_prior(values: Any) -> Declared:
    if isinstance(values, ProductPrior | ComposedPrior):
        return values
    part = Annotated[AnyPart, Field(discriminator="kind")]
    adapter: TypeAdapter[Any] = TypeAdapter(
        Annotated[dict[ParameterNames, part], Field(min_length=1)]
    )
    return compose(adapter.validate_json(json.dumps(values), strict=True))


Declared = ProductPrior | ComposedPrior
"""A prior that somebody has written."""

PriorField = Annotated[Declared, BeforeValidator(_make_prior)]
"""The type of a plugin's field that is written as `{name: {kind: ..., ...}, ...}`."""


def uniform_prior(**bounds: tuple[float, float]) -> ProductPrior:
    """Uniform marginals, by name."""
    return ProductPrior(
        {name: Uniform(kind="uniform", low=low, high=high) for name, (low, high) in bounds.items()}
    )


__all__ = [
    "AnyPart",
    "ComposedPrior",
    "Declared",
    "DrawnPrior",
    "LogUniform",
    "Normal",
    "PriorField",
    "ProductPrior",
    "Uniform",
    "compose",
    "plain",
    "uniform_prior",
]
