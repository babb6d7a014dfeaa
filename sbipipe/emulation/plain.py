"""Records as plain values, which JSON can hold, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from sbipipe.interfaces import Array

Values = Annotated[
    Array,
    PlainValidator(lambda plain: np.asarray(plain, np.float64)),
    PlainSerializer(lambda array: array.tolist()),
]
"""An array in double precision, which is a list where it is written."""

T = TypeVar("T")


def to_json(record: Any) -> dict[str, Any]:
    """The plain values of a frozen record, but for those that are as they are by default."""
    adapter = TypeAdapter(type(record))
    plain: dict[str, Any] = adapter.dump_python(record, mode="json", exclude_defaults=True)
    return plain


def from_json(cls: type[T], plain: Mapping[str, Any]) -> T:
    """The record of type `cls` that has these plain values."""
    return TypeAdapter(cls).validate_python(plain)
