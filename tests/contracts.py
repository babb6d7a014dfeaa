"""What the tests of contracts share: every kind of a family, quick, on the data it takes.

A kind says what it is made with by a static method `quick`, and what it does not take by an
InputError; so a new file in a family is tested without being told of anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sbipipe import plugins
from sbipipe.records import InputError

Offered = TypeVar("Offered")
Fitted = TypeVar("Fitted")


def kinds(section: str) -> tuple[str, ...]:
    """The kinds that an entry of this section of `params.yaml` may have."""
    return plugins.kinds(plugins.FAMILIES[section])


def quick(section: str, kind: str, **changes: Any) -> Any:
    """A plugin with its quick settings, and these changes."""
    cls = plugins.plugin_class(plugins.FAMILIES[section], kind)
    settings = cls.quick() if hasattr(cls, "quick") else {}
    return plugins.make(section, kind, settings | changes, f"{section}.it")


def taken(
    fit: Callable[[Offered], Fitted], offers: Iterable[Offered]
) -> list[tuple[Offered, Fitted]]:
    """The data that a kind takes, and what it makes of them: something, and a refusal says of what
    else is allowed."""
    found, refusals = [], list[str]()
    for offer in offers:
        try:
            found.append((offer, fit(offer)))
        except InputError as error:
            refusals.append(str(error))
    assert found, "a kind takes one of the data sets at least"
    assert all("allowed" in refusal for refusal in refusals)
    return found
