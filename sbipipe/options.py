"""What can be written below `config:` of each kind, and in each section, read off the classes.

A class of settings has its default values and its ranges in its fields, and the meaning of each in
its docstring, below `Attributes:`. An option of an option has a dotted key.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from sbipipe import config, plugins
from sbipipe.priors import prior as priors
from sbipipe.priors.as_drawn import AsDrawn
from sbipipe.priors.earlier import Draws
from sbipipe.priors.marginals import Fixed
from sbipipe.priors.multivariate import MultivariateNormal
from sbipipe.priors.prior import ComposedPrior, ProductPrior, Uniform, plain
from sbipipe.records import InputError, dump

SECTIONS: Mapping[str, type[Any]] = {
    "simulate": config.Simulate,
    "summarise": config.Made,
    "emulate": config.Emulate,
    "imitate": config.Imitate,
    "join": config.Join,
    "train": config.Made,
    "recalibrate": config.Recalibrate,
    "budget": config.Budget,
    "draw": config.Draw,
    "diagnose": config.Entry,
    "gate": config.Gate,
    "judge": config.Judge,
    "runtime": config.Runtime,
}
"""The class of a section, or of each of its entries."""

PRIORS: Mapping[str, type[Any]] = {
    "uniform": Uniform,
    "log_uniform": priors.LogUniform,
    "normal": priors.Normal,
    "fixed": Fixed,
    "multivariate_normal": MultivariateNormal,
    "draws": Draws,
    "as_drawn": AsDrawn,
}
"""The kinds that a prior has."""

PRIOR = (
    "The prior of one parameter, or of several whose names stand in one key with commas between. A "
    "number or expression may have other parameters in it, times numbers and added up: "
    "`high: omega_m`, `loc: 0.3 - 0.5 * h`."
)

TYPES: Mapping[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true | false",
    NoneType: "null",
    float | str: "number, or expression",
    ProductPrior: "a prior of each parameter",
    ComposedPrior: "a prior of each parameter",
    AsDrawn: "{kind: as_drawn}",
}

BOUNDS: Mapping[Any, tuple[str, str]] = {
    annotated_types.Ge: ("ge", "at least"),
    annotated_types.Gt: ("gt", "above"),
    annotated_types.Le: ("le", "at most"),
    annotated_types.Lt: ("lt", "below"),
    annotated_types.MinLen: ("min_length", "length at least"),
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """A key that may be written.

    Attributes:
        key: The key, dotted where it lies in another.
        default: What it is where it is left out; "necessary" where it may not be.
        allowed: The type and the range.
        meaning: A sentence.
    """

    key: str
    default: str
    allowed: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Described:
    """A section, a kind of one, or a kind of prior.

    Attributes:
        section: The section of `params.yaml`, or "prior".
        name: What is written after `kind:`; empty for the section itself.
        what: A sentence.
        options: The keys of it.
    """

    section: str
    name: str
    what: str
    options: tuple[Option, ...]


def everything() -> Iterator[Described]:
    """All sections, each before its kinds, and the kinds of priors."""
    for section, cls in SECTIONS.items():
        what = _meanings(config.Params)[section]
        yield Described(section=section, name="", what=what, options=tuple(options(cls)))
        family = plugins.FAMILIES.get(section)
        for kind in plugins.kinds(family) if family else ():
            found = tuple(options(plugins.plugin_class(family or "", kind)))
            what = plugins.description(family or "", kind)
            yield Described(section=section, name=kind, what=what, options=found)
    yield Described(section="prior", name="", what=PRIOR, options=())
    for kind, cls in PRIORS.items():
        found = tuple(one for one in options(cls) if one.key != "kind")
        what = (inspect.getdoc(cls) or "").partition("\n")[0]
        yield Described(section="prior", name=kind, what=what, options=found)


def named(name: str) -> tuple[Described, ...]:
    """What has this name: a section, or a kind in each section that has it.

    Raises:
        InputError: If nothing has.
    """
    names = {
        *SECTIONS,
        *PRIORS,
        *(kind for family in plugins.FAMILIES.values() for kind in plugins.kinds(family)),
    }
    if name not in names:
        raise InputError(f"NAME: given {name!r}; allowed: {', '.join(sorted(names))}")
    return tuple(one for one in everything() if name == (one.name or one.section))


def options(cls: type[Any], default: Any = None, prefix: str = "") -> Iterator[Option]:
    """The options of a class of settings.

    Args:
        default: The settings that hold where nothing is written.
        prefix: What their keys begin with.
    """
    meanings = _meanings(cls)
    for name, info in cls.__pydantic_fields__.items():
        necessary = info.is_required() and default is None
        given = getattr(default, name) if default else None if necessary else _default(info)
        inner = [one for one in get_args(info.annotation) or [info.annotation] if _settings(one)]
        if len(inner) == 1:
            yield from options(inner[0], given, f"{prefix}{name}.")
            continue
        yield Option(
            key=prefix + name,
            default="necessary" if necessary else _written(given),
            allowed=_ranged(_words(info.annotation), info.metadata),
            meaning=meanings.get(name, ""),
        )
        for one in inner:
            own = options(one, None, f"{prefix}{name}.")
            yield from (option for option in own if option.key != f"{prefix}{name}.kind")


def _settings(hint: Any) -> bool:
    """Whether a type is a class of settings that is described by its own options."""
    return hasattr(hint, "__pydantic_fields__") and hint not in TYPES


def _default(info: FieldInfo) -> Any:
    return info.get_default(call_default_factory=True, validated_data={})


def _written(value: Any) -> str:
    """A default value as YAML has it."""
    if isinstance(value, ProductPrior):
        value = plain(value)
    text = json.dumps(dump(value)).replace('"', "")
    return text or '""'


def _words(hint: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in TYPES:
        return TYPES[hint]
    if origin is Annotated:
        return _ranged(_words(arguments[0]), arguments[1:])
    if origin in (Union, UnionType):
        return ", or ".join(dict.fromkeys(_words(one) for one in arguments))
    if origin is Literal:
        return " | ".join(_written(one) for one in arguments)
    if origin is tuple:
        return f"a list of: {_words(arguments[0])}"
    if origin in (dict, Mapping):
        return "keys and values"
    return _keys(hint)


def _keys(cls: Any) -> str:
    """A class of settings as one would write it, with the keys it has."""
    fields = getattr(cls, "__pydantic_fields__", {})
    kind = [f"{name}: {_words(f.annotation)}" for name, f in fields.items() if name == "kind"]
    keys = [*kind, *(name for name in fields if name != "kind")]
    return f"{{{', '.join(keys)}}}" if keys else "keys and values"


def _ranged(words: str, metadata: Any) -> str:
    """With the bounds that pydantic or a type has, in words."""
    bounds = [
        bound
        for one in metadata
        for bound in (one.metadata if isinstance(one, FieldInfo) else [one])
        if type(bound) in BOUNDS
    ]
    said = [(BOUNDS[type(bound)], bound) for bound in bounds]
    return ", ".join([words, *(f"{text} {getattr(bound, key):g}" for (key, text), bound in said)])


def _meanings(cls: type[Any]) -> dict[str, str]:
    """What the docstrings of a class and of those it inherits from say of its attributes."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        _, _, section = inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")
        for names, text in re.findall(
            r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", section, re.MULTILINE
        ):
            text = re.sub(r"\bNone\b", "null", " ".join(text.split()))
            found |= dict.fromkeys(names.split(", "), text)
    return found


__all__ = ["Described", "Option", "everything", "named", "options"]
