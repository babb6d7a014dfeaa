"""Records that are written to files, and the one way from them to plain values and back.

A record is a frozen dataclass whose fields are the keys of its file. `dump` makes plain values of
it, as JSON has them: a number that is not finite becomes null, an array a list, and a property
marked `computed_field` a key like any other. `load` is its inverse, up to which kind of not finite
a number was: null becomes NaN where a field is declared `Real`, and a list becomes an array where
it is declared `Values`. Keys that a record does not know are passed over, so that a file may gain
some.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, dataclass_transform

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import to_json

from sbipipe.config import parse
from sbipipe.interfaces import InputError, Real

__all__ = ["Real", "Values", "dump", "load", "record"]

T = TypeVar("T")

Values = Annotated[
    NDArray[np.floating[Any]],
    BeforeValidator(
        lambda plain: np.array(plain, np.float64) if isinstance(plain, list) else plain
    ),
]
"""An array of a record: a list in a file, with null where an element is not finite."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen, keyword-only dataclass that `dump` and `load` know."""
    config = ConfigDict(extra="ignore", strict=True, arbitrary_types_allowed=True)
    return cast(type[T], pydantic_dataclass(frozen=True, kw_only=True, config=config)(cls))


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
