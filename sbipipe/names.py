"""The names in `params.yaml`: what they may be, and those used twice or naming nothing.

The latter are looked for in plain values, before anything is known to be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator

SETS = ("simulate", "summarise", "emulate", "imitate", "join")
"""Sections whose entries make a set."""

ESTIMATORS = ("train", "recalibrate")
"""Sections whose entries are estimators."""


def _identifier(pattern: str, allowed: str) -> AfterValidator:
    def check(name: str) -> str:
        if not re.fullmatch(pattern, name):
            raise ValueError(f"the name {name!r} is not allowed; allowed: {allowed}")
        return name

    return AfterValidator(check)


_TAKEN = "chain|draw|observation|effective_sample_size"
"""Words with a meaning of their own in posterior files."""

_PARAMETER = "[A-Za-z][A-Za-z0-9_]*"

ParameterNames = Annotated[
    str,
    _identifier(
        rf"(?!({_TAKEN})\s*(,|$)){_PARAMETER}(\s*,\s*(?!({_TAKEN})\s*(,|$)){_PARAMETER})*",
        f"a letter, then letters, digits and _, but not {_TAKEN.replace('|', ', ')}; several with "
        "commas between",
    ),
]
"""The name of one parameter, or of several that are distributed together."""

EntryName = Annotated[
    str, _identifier(r"[A-Za-z0-9][A-Za-z0-9_+-]*", "letters, digits, _, + and -")
]


def parameters_of(key: str) -> tuple[str, ...]:
    """The parameters that a key of a prior names."""
    return tuple(name.strip() for name in key.split(","))


def unnamed(dimension: int) -> tuple[str, ...]:
    """What parameters are called of which nothing is declared."""
    return tuple(f"theta_{i}" for i in range(dimension))


def no_parameters(nuisance: Sequence[str], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The key and what is wrong of each nuisance parameter that is none of several."""
    for name in nuisance:
        if name not in names:
            yield "nuisance", f"given {name!r}; allowed: {', '.join(names)}"


def dangling(values: Any) -> list[str]:
    """Names used twice, and `of:` that name nothing, in the plain values of `params.yaml`.

    What `parse` finds wrong is passed over.
    """
    made = {section: entries(values, section) for section in SETS + ESTIMATORS}
    problems = [*_twice(made, SETS), *_twice(made, ESTIMATORS)]
    sets: list[str] = []
    for name, entry in made["imitate"].items():
        problems += _imitated(f"imitate.{name}", entry, made)
    rows = [*made["simulate"], *made["imitate"]]
    for section, allowed in (
        ("summarise", rows),
        ("emulate", [*made["simulate"]]),
        ("join", [*made["summarise"], *made["emulate"], *rows]),
    ):
        for name, entry in made[section].items():
            problems += _unknown(f"{section}.{name}", entry, allowed)
            if section in ("emulate", "join"):
                allowed.append(name)
            sets.append(name)
    for name, entry in made["train"].items():
        problems += _unknown(f"train.{name}", entry, [*sets, *rows])
    fitted = [*made["train"]]
    for name, entry in made["recalibrate"].items():
        problems += _unknown(f"recalibrate.{name}", entry, fitted)
        problems += _unknown(f"recalibrate.{name}", entry, [*made["train"]], ("target",))
        fitted.append(name)
    for name, entry in entries(values, "budget").items():
        problems += _unknown(f"budget.{name}", entry, [*made["train"]])
    return problems


def _imitated(
    where: str, entry: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Lines for what an entry of `imitate:` names."""
    yield from _unknown(where, entry, [*made["simulate"]])
    of, by = entry.get("of"), entry.get("by")
    simulators = [name for name in made["simulate"] if name != of]
    emulators = [name for name, one in made["emulate"].items() if _begins(made, one) == of]
    allowed = [*emulators, *simulators] or ["an emulator of it, or another simulator"]
    if of in made["simulate"] and isinstance(by, str):
        yield from _unknown(where, entry, allowed, ("by",))


def _begins(made: Mapping[str, Mapping[str, Any]], emulator: Mapping[str, Any]) -> Any:
    """The simulator that an emulator is of, through those with which it begins."""
    seen: list[Any] = []
    of = emulator.get("of")
    while isinstance(of, str) and of in made["emulate"] and of not in seen:
        seen.append(of)
        of = made["emulate"][of].get("of")
    return of


def _twice(made: Mapping[str, Mapping[str, Any]], sections: tuple[str, ...]) -> list[str]:
    """A line for each name that two of these sections share."""
    seen: dict[str, str] = {}
    problems = []
    for section in sections:
        for name in made[section]:
            if name in seen:
                problems.append(
                    f"{section}.{name}: given a name that {seen[name]}.{name} has; "
                    "allowed: any other"
                )
            seen.setdefault(name, section)
    return problems


def _unknown(
    where: str,
    entry: Mapping[str, Any],
    allowed: list[str],
    keys: tuple[str, ...] = ("of", "beside"),
) -> list[str]:
    """A line for each of these keys whose entry is not allowed."""
    return [
        f"{where}.{key}: given {entry[key]!r}; allowed: {', '.join(dict.fromkeys(allowed))}"
        for key in keys
        if isinstance(entry.get(key), str) and entry[key] not in allowed
    ]


def entries(values: Any, section: str) -> dict[str, Mapping[str, Any]]:
    """The entries of a section that are mappings, by name."""
    found = values.get(section) if isinstance(values, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    return {str(name): entry for name, entry in found.items() if isinstance(entry, Mapping)}
