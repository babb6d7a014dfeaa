"""The parts that a prior is composed of: their order, what is wrong with them, and plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from sbipipe.names import parameters_of

Problem = tuple[tuple[str, ...], str]
"""A key and what is wrong there."""


class Part(Protocol):
    """What is written for a parameter, or for several under one key."""

    @property
    def needs(self) -> frozenset[str]:
        """The parameters that it is given."""

    def mistakes(self, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """The key and what is wrong of each thing that is impossible for these parameters."""


def ordered(parts: Mapping[str, Part]) -> tuple[str, ...]:
    """The keys of parts, each after those that it depends on.

    Raises:
        CycleError: If there is no such order.
    """
    key_of = {name: key for key in parts for name in parameters_of(key)}
    graph = {key: [key_of[name] for name in sorted(one.needs)] for key, one in parts.items()}
    return tuple(TopologicalSorter(graph).static_order())


def problems(parts: Mapping[str, Part]) -> Iterator[Problem]:
    """Everything that is impossible in parts, whatever the parameters are."""
    columns = [name for key in parts for name in parameters_of(key)]
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        yield (), f"given {name} twice; allowed: once"
    unknown = False
    for key, one in parts.items():
        others = [name for name in columns if name not in parameters_of(key)]
        if wrong := sorted(one.needs - {*others}):
            unknown, allowed = True, ", ".join(others) or "none, since there are no others"
            yield (key,), f"given in terms of {', '.join(wrong)}; allowed parameters: {allowed}"
        yield from (((key, where), why) for where, why in one.mistakes(parameters_of(key)))
    try:
        _ = None if unknown else ordered(parts)
    except CycleError as error:
        circle = " of ".join(error.args[1][::-1])
        yield (), f"given parameters in terms of each other ({circle}); allowed: no circle"


def refused(found: Sequence[Problem]) -> ValidationError:
    """The error that names all problems."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError("prior", "{why}", {"why": why}), loc=where, input={}
        )
        for where, why in found
    ]
    return ValidationError.from_exception_data("prior", details)


def plain(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Parts as plain values: what `params.yaml` has, without what is as by default."""
    return {key: _written(one) for key, one in parts.items()}


def _written(one: Any) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(one)}
    return {
        name: value
        for name, value in asdict(one).items()
        if value != defaults[name] and value != {}
    }


__all__ = ["Part", "Problem", "ordered", "plain", "problems", "refused"]
