"""Plain values -> typed objects and back: the settings that a person writes, the records of files.

Both are frozen dataclasses whose fields are the keys. Validation is strict (a string is no number,
a number no string), and every error names the dotted key, what was given and what is allowed.
Mappings are validated through JSON, whose strict reading takes a list where a tuple is declared, as
YAML writes them.

A `plugin` holds settings; a key that it does not know is an error. A key that has moved is named
with its new place in the class attribute `moved`.

A `record` is the content of a file. `dump` makes plain values of it, as JSON has them: a number
that is not finite becomes null, an array a list, and a property marked `computed_field` a key like
any other. `load` is its inverse, up to which kind of not finite a number was: null becomes NaN
where a field is declared `interfaces.Real`, and a list becomes an array where it is declared
`Values`. Keys that a record does not know are passed over, so that a file may gain some.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, dataclass_transform

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import to_json

__all__ = [
    "Count",
    "InputError",
    "Positive",
    "Values",
    "beside",
    "dump",
    "load",
    "parse",
    "plugin",
    "read_yaml",
    "record",
]

T = TypeVar("T")

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]

Values = Annotated[
    NDArray[np.floating[Any]],
    BeforeValidator(
        lambda plain: np.array(plain, np.float64) if isinstance(plain, list) else plain
    ),
]
"""An array of a record: a list in a file, with null where an element is not finite."""


class InputError(ValueError):
    """Something a person wrote or brought is wrong.

    Args:
        problems: One line each: the dotted key or file, what was given, what is allowed.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def plugin(cls: type[T]) -> type[T]:
    """Make a class a frozen, keyword-only dataclass whose fields are checked strictly."""
    config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )
    return cast(type[T], pydantic_dataclass(frozen=True, kw_only=True, config=config)(cls))


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen, keyword-only dataclass that `dump` and `load` know."""
    config = ConfigDict(extra="ignore", strict=True, arbitrary_types_allowed=True)
    return cast(type[T], pydantic_dataclass(frozen=True, kw_only=True, config=config)(cls))


def beside(default: Callable[[], Any]) -> BeforeValidator:
    """For a field that is a plugin with a default of its own: keys that are written change that
    default, and not another one."""

    def whole(given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        own = default()
        return {one.name: getattr(own, one.name) for one in fields(own)} | dict(given)

    return BeforeValidator(whole)


def parse(cls: type[T], values: Any, where: str) -> T:
    """An object of type `cls` from plain YAML values.

    Args:
        where: The dotted key of `values`, for messages.

    Raises:
        InputError: With one line for every problem found.
    """
    try:
        text = json.dumps(values, allow_nan=True)
    except TypeError as error:
        raise InputError(f"{where}: {values!r} is no plain YAML value ({error})") from error
    try:
        return TypeAdapter(cls).validate_json(text, strict=True)
    except ValidationError as error:
        lines = (_line(cls, where, values, problem) for problem in error.errors())
        raise InputError(*lines) from error


def _line(cls: type[Any], where: str, values: Any, problem: Mapping[str, Any]) -> str:
    """One problem in words."""
    key = ".".join(filter(None, [where, *_written(values, problem["loc"])]))
    kind, message = problem["type"], problem["msg"].removeprefix("Value error, ")
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        moved = getattr(cls, "moved", {})
        now = moved.get(key) or moved.get(str(problem["loc"][-1]))
        return f"{key}: moved; write {now}" if now else f"{key}: unknown key"
    if kind in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        return f"{key}: missing"
    given = problem["input"]
    own = re.fullmatch(r"([a-z_.]+): (given .*)", message, re.DOTALL)
    if kind == "value_error" and own:
        return f"{key}.{own[1]}: {own[2]}"
    shown = "" if isinstance(given, Mapping) else f"given {json.dumps(given, default=repr)}; "
    return f"{key}: {shown}{message[:1].lower()}{message[1:]}"


def _written(values: Any, location: tuple[str | int, ...]) -> list[str]:
    """The part of pydantic's location that a person wrote: without the tags of unions."""
    parts = []
    for part in location:
        inside = (isinstance(values, Mapping) and part in values) or isinstance(values, list)
        if inside or part == location[-1]:
            parts.append(str(part))
        if inside:
            values = values[part]
    return [part for part in parts if part != "[key]"]


def dump(content: Any) -> Any:
    """Plain values of a record, or of mappings and lists of records."""
    return json.loads(to_json(content, inf_nan_mode="null", fallback=_plain))


def load(cls: type[T], plain: Any, file: Path | str) -> T:
    """The record that the plain values of a file hold.

    Args:
        file: The name that a message begins with.

    Raises:
        InputError: With one line for every value that is missing or of another type.
    """
    try:
        return parse(cls, plain, "")
    except InputError as error:
        lines = (f"{file}: {line.removeprefix(': ')}" for line in error.problems)
        raise InputError(*lines) from error


def _plain(value: Any) -> Any:
    """Numpy's arrays and scalars as lists and numbers."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is neither a record nor a plain value")


def read_yaml(path: Path) -> Any:
    """The plain values of a YAML file that is a mapping."""
    try:
        values = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: given {values!r}; allowed: `key: value` lines")
    return values
