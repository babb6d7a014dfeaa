r"""The distribution of one parameter, alone or given others.

An edge, a mean or a width may be written as a number or in terms of other parameters,

    a = c_0 + sum_j c_j theta_j      ("omega_m", "0.5 * omega_m + 0.1", "1 - a - b"),

and the distribution is then that given those. A normal with edges is truncated there:

    p(theta) = N(theta; loc, scale) / (Phi((high - loc) / scale) - Phi((low - loc) / scale)),

normalised given the others, which makes it another distribution than a joint normal cut off.
"""

from __future__ import annotations

import ast
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import scipy
from pydantic import BeforeValidator

from sbipipe.interfaces import Array
from sbipipe.records import plugin

ALLOWED = "a number, or other parameters times numbers, added up"

Values = Mapping[str, Any]
"""Other parameters by name: arrays of one shape, or numbers."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Affine:
    """A number plus other parameters times numbers.

    Attributes:
        constant: The number.
        slopes: What each parameter is multiplied by, by name.
    """

    constant: float
    slopes: Mapping[str, float]

    def __call__(self, given: Values) -> Any:
        """Its value, a number where it depends on nothing."""
        return sum((c * given[name] for name, c in self.slopes.items()), self.constant)

    def range(self, given: Mapping[str, Range]) -> Range:
        """The least and the greatest value, while each parameter is in its own range."""
        low = high = self.constant
        for name, c in self.slopes.items():
            least, greatest = sorted(c * end for end in given[name])
            low, high = low + least, high + greatest
        return low, high

    def plus(self, other: Affine, factor: float = 1.0) -> Affine:
        """The sum with a multiple of another."""
        slopes = {**self.slopes}
        for name, c in other.slopes.items():
            slopes[name] = slopes.get(name, 0.0) + factor * c
        return Affine(
            self.constant + factor * other.constant, {n: c for n, c in slopes.items() if c}
        )


@cache
def affine(written: float | str) -> Affine:
    """What a number or an expression stands for.

    Raises:
        ValueError: If it is neither.
    """
    if not isinstance(written, str):
        return Affine(float(written), {})
    try:
        return _affine(ast.parse(written.strip(), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, ValueError) as error:
        raise ValueError(f"allowed: {ALLOWED}") from error


def _affine(node: ast.expr) -> Affine:
    """Of a syntax tree; raises ValueError where it is not affine."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Affine(float(value), {})
        case ast.Name(id=name):
            return Affine(0.0, {name: 1.0})
        case ast.UnaryOp(op=ast.USub(), operand=one):
            return Affine(0.0, {}).plus(_affine(one), -1.0)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            return _affine(left).plus(_affine(right), 1.0 if isinstance(op, ast.Add) else -1.0)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            term, factor = _affine(left), _affine(right)
            if factor.slopes:
                term, factor = factor, term
            return Affine(0.0, {}).plus(term, _number(factor))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return Affine(0.0, {}).plus(_affine(left), 1.0 / _number(_affine(right)))
    raise ValueError("not affine")


def _number(one: Affine) -> float:
    if one.slopes:
        raise ValueError("a product of parameters")
    return one.constant


def _edge(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"allowed: {ALLOWED}")
    if not isinstance(value, str) and not math.isfinite(value):
        raise ValueError(f"allowed: {ALLOWED}")
    affine(value)
    return value if isinstance(value, str) else float(value)


Edge = Annotated[float | str, BeforeValidator(_edge)]
"""A number, or an expression in other parameters."""


@dataclass(frozen=True)
class Conditional:
    """The distribution of one parameter given others, over arrays (..., 1).

    Attributes:
        distribution: The distribution as scipy has it, of the shape of the others.
    """

    distribution: Any

    def log_prob(self, theta: Array) -> Array:
        """Minus infinity as well where the others leave no room."""
        found = np.asarray(self.distribution.logpdf(theta[..., 0]))
        return np.where(np.isnan(found) & ~np.isnan(theta[..., 0]), -np.inf, found)

    def to_unit(self, theta: Array) -> Array:
        """The quantile."""
        return np.asarray(self.distribution.cdf(theta[..., 0]))[..., None]

    def from_unit(self, q: Array) -> Array:
        """The inverse of `to_unit`."""
        return np.asarray(self.distribution.ppf(q[..., 0]))[..., None]


class Marginal(ABC):
    """What all distributions of one parameter have."""

    kind: str
    nuisance: bool
    positive: ClassVar[tuple[str, ...]] = ()
    """The keys of numbers that have to be above zero."""

    def __post_init__(self) -> None:
        """Raise ValueError where numbers are impossible, whatever other parameters are."""
        if not self.needs:
            for key, problem in self.disorders({}):
                raise ValueError(problem if key == "low" else f"{key}: {problem}")

    @abstractmethod
    def at(self, given: Values) -> Any:
        """The distribution, as scipy has it, given other parameters."""

    def given(self, values: Values) -> Conditional:
        """The distribution of the column of this parameter, given other parameters."""
        return Conditional(self.at(values))

    @abstractmethod
    def support(self, given: Mapping[str, Range]) -> Range:
        """Where the parameter may lie, while others are in their ranges; infinite where there is
        no edge."""

    @abstractmethod
    def edges(self) -> Mapping[str, float | str | None]:
        """Its numbers, by key; None for one that is left out."""

    @property
    def distribution(self) -> Any:
        """That of a parameter which depends on no other."""
        return self.at({})

    @property
    def needs(self) -> frozenset[str]:
        """The parameters that it is given."""
        return frozenset(name for one in self._affine.values() for name in one.slopes)

    def mistakes(self, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """The key and what is wrong, where this stands for several parameters."""
        return _of_several(self.kind, names)

    def disorders(self, given: Values) -> Iterator[tuple[str, str]]:
        """The key and what is wrong of each number that is impossible somewhere."""
        found = {key: np.asarray(one(given)) for key, one in self._affine.items()}
        for key in self.positive:
            if not (found[key] > 0).all():
                yield key, f"given {self.edges()[key]}; allowed: above 0"
        low, high = found.get("low"), found.get("high")
        if low is not None and high is not None and not (low < high).all():
            pair = self.edges()
            yield "low", _disorder(pair["low"], pair["high"])

    @property
    def _affine(self) -> dict[str, Affine]:
        return {key: affine(one) for key, one in self.edges().items() if one is not None}


def _disorder(low: Any, high: Any) -> str:
    if isinstance(low, str) or isinstance(high, str):
        return f"given {low}, which is not always below high, {high}; allowed: below it"
    return f"low {low:g} must be below high {high:g}"


class Between(Marginal):
    """What distributions on [low, high] have."""

    low: float | str
    high: float | str

    def support(self, given: Mapping[str, Range]) -> Range:
        return affine(self.low).range(given)[0], affine(self.high).range(given)[1]

    def edges(self) -> Mapping[str, float | str | None]:
        return {"low": self.low, "high": self.high}


@plugin
class Uniform(Between):
    """Uniform on [low, high].

    Attributes:
        low, high: The edges, as numbers or in terms of other parameters ("omega_m").
        nuisance: Whether files, figures and tables leave it out; it is learned and tested as any
            other.
    """

    kind: Literal["uniform"]
    low: Edge
    high: Edge
    nuisance: bool = False

    def at(self, given: Values) -> Any:
        low, high = affine(self.low)(given), affine(self.high)(given)
        return scipy.stats.uniform(low, high - low)


@plugin
class LogUniform(Between):
    """Uniform in the logarithm on [low, high].

    Attributes:
        low, high: The edges, above zero, as numbers or in terms of other parameters.
        nuisance: Whether files, figures and tables leave it out.
    """

    kind: Literal["log_uniform"]
    low: Edge
    high: Edge
    nuisance: bool = False

    positive: ClassVar[tuple[str, ...]] = ("low",)

    def at(self, given: Values) -> Any:
        return scipy.stats.loguniform(affine(self.low)(given), affine(self.high)(given))


@plugin
class Normal(Marginal):
    """Normal with mean loc and standard deviation scale, truncated where it has edges.

    Attributes:
        loc: The mean, before truncation, as a number or in terms of other parameters.
        scale: The standard deviation, before truncation, above zero.
        low, high: The edges; null where there is none.
        nuisance: Whether files, figures and tables leave it out.
    """

    kind: Literal["normal"]
    loc: Edge
    scale: Edge
    low: Edge | None = None
    high: Edge | None = None
    nuisance: bool = False

    positive: ClassVar[tuple[str, ...]] = ("scale",)

    def at(self, given: Values) -> Any:
        loc, scale = affine(self.loc)(given), affine(self.scale)(given)
        if self.low is None and self.high is None:
            return scipy.stats.norm(loc, scale)
        low = -math.inf if self.low is None else affine(self.low)(given)
        high = math.inf if self.high is None else affine(self.high)(given)
        return scipy.stats.truncnorm((low - loc) / scale, (high - loc) / scale, loc, scale)

    def support(self, given: Mapping[str, Range]) -> Range:
        low = -math.inf if self.low is None else affine(self.low).range(given)[0]
        high = math.inf if self.high is None else affine(self.high).range(given)[1]
        return low, high

    def edges(self) -> Mapping[str, float | str | None]:
        return {"loc": self.loc, "scale": self.scale, "low": self.low, "high": self.high}


@plugin
class Fixed:
    """The same value in every simulation.

    The simulator is given it; nothing learns it, tests it or draws it.

    Attributes:
        value: The value.
    """

    kind: Literal["fixed"]
    value: float

    @property
    def needs(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    def mistakes(self, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """The key and what is wrong, where this stands for several parameters."""
        return _of_several(self.kind, names)


def _of_several(kind: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(names) > 1:
        yield "kind", f"given {kind!r} for {len(names)} parameters; allowed: for one"


__all__ = [
    "Affine",
    "Conditional",
    "Edge",
    "Fixed",
    "LogUniform",
    "Marginal",
    "Normal",
    "Range",
    "Uniform",
    "Values",
    "affine",
]
