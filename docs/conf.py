"""How Sphinx makes the site of these pages (`make docs`).

Docstrings are plain text: names between backticks, formulas indented, `*` and `|` as themselves. So
they are made reStructuredText before Sphinx reads them.
"""

from __future__ import annotations

import re
from typing import Any

from numpy.typing import ArrayLike
from sphinx.util.typing import stringify_annotation

from sbipipe import __version__
from sbipipe.interfaces import Array

project = "sbipipe"
author = copyright = "the sbipipe developers"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "sbipipe"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False

nb_execution_mode = "off"  # it is committed with what its cells give: `make pictures`
nb_merge_streams = True
myst_heading_anchors = 3

copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
autodoc_default_options = {"exclude-members": "__new__, __init__"}
napoleon_use_ivar = True

nitpicky = True
nitpick_ignore_regex = [  # names of other libraries, whose pages are not asked for
    ("py:.*", r"(np|numpy|pathlib|collections|typing|arviz|pydantic|annotated_types)\..*"),
]

SHORT = {
    stringify_annotation(ArrayLike, "smart"): "~numpy.typing.ArrayLike",
    stringify_annotation(Array, "smart"): "~numpy.ndarray",
}
"""How types are printed that are unions of many, or arrays of any kind."""

CODE = re.compile(r"(``.*?``|`[^`]+`)", re.DOTALL)
SEVERAL = re.compile(r"^( +)(\w+(?:, \w+)+): (.*(?:\n\1 +.*)*)", re.MULTILINE)


def plain_text(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """A docstring's lines, changed in place."""
    text = SEVERAL.sub(_each, "\n".join(lines))
    text = "".join(_escaped(part) for part in CODE.split(text))
    text = re.sub(r":?\n\n((?: {4}.*\n?|\n)+)", _formula, text) if what == "module" else text
    lines[:] = text.split("\n")


def _escaped(part: str) -> str:
    if part.startswith("`"):
        return f"``{part.strip('`')}``"
    return re.sub(r"(?<!\*)\*(?!\*)|\||_(?=\W)", r"\\\g<0>", part)


def _formula(found: re.Match[str]) -> str:
    return f"::\n\n{found[1].replace(chr(92), '')}"


def _each(found: re.Match[str]) -> str:
    """Attributes that share their words, each with its own."""
    indent, names, words = found.groups()
    return "\n".join(f"{indent}{name}: {words}" for name in names.split(", "))


def short_types(app: Any, domain: str, kind: str, node: Any) -> None:
    """The types of arguments by their names, changed in place."""
    for types in app.env.current_document.autodoc_annotations.values():
        for argument, text in types.items():
            for long, short in SHORT.items():
                text = text.replace(long, short)
            types[argument] = text


def setup(app: Any) -> None:
    """Connect what reads docstrings before napoleon does, and types before they are printed."""
    app.connect("object-description-transform", short_types, priority=400)
    app.connect("autodoc-process-docstring", plain_text, priority=400)
