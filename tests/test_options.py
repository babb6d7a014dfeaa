"""Every key that may be written is described, with the default and the range that hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from sbipipe import options
from sbipipe.options import Described, everything, named
from sbipipe.records import InputError, Positive, plugin

ALL = tuple(everything())


@plugin
class Inner:
    """Of an option.

    Attributes:
        share: What is shared.
    """

    share: Annotated[float, Field(ge=0, lt=1)] = 0.5


@plugin
class Outer:
    """Some settings.

    Attributes:
        path, other: A path
            on two lines.
        way: The way; None for none.
        sizes: Sizes.
        inner: More.
    """

    path: str
    other: str = "here"
    way: Literal["up", "down"] | None = None
    sizes: tuple[Positive, ...] = (1, 2)
    inner: Inner = Field(default_factory=lambda: Inner(share=0.25))


def test_options_are_read_off_a_class() -> None:
    found = [(o.key, o.default, o.allowed, o.meaning) for o in options.options(Outer)]
    assert found == [
        ("path", "necessary", "text", "A path on two lines."),
        ("other", "here", "text", "A path on two lines."),
        ("way", "null", "up | down, or null", "The way; null for none."),
        ("sizes", "[1, 2]", "a list of: whole number, at least 1", "Sizes."),
        ("inner.share", "0.25", "number, at least 0, below 1", "What is shared."),
    ]


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.section} {one.name}".strip())
def test_everything_has_a_meaning(one: Described) -> None:
    assert one.what
    for option in one.options:
        assert option.meaning.endswith((".", ")")), option
        assert option.allowed, option


@pytest.mark.parametrize("name", ["npe", "gate", "uniform", "simulate"])
def test_what_has_a_name_is_found(name: str) -> None:
    (found,) = named(name)
    assert name in (found.name, found.section)


def test_what_has_none_is_refused_with_all_that_have() -> None:
    with pytest.raises(InputError, match=r"NAME: given 'mpe'; allowed: .*nle, normal, npe"):
        named("mpe")


def test_the_reference_is_up_to_date(tmp_path: Path) -> None:
    words = [sys.executable, "tools/config_reference.py", "--out", str(tmp_path / "config.md")]
    subprocess.run(words, check=True, timeout=120)
    written = (tmp_path / "config.md").read_text()
    assert Path("docs/config.md").read_text() == written, "make reference"
