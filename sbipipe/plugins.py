"""(family, kind) -> a plugin.

A family is a folder of this package, a kind a file in it: `estimators/npe.py` is `kind: npe`. The
file's one public class, named in its `__all__`, is the plugin. Nothing is registered anywhere.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sbipipe import collector
from sbipipe.config import Params, parse
from sbipipe.interfaces import Diagnostic, Estimator, InputError, Reader, Simulator, Summary

FAMILIES = {
    "simulate": "simulators",
    "summarise": "summaries",
    "train": "estimators",
    "diagnose": "diagnostics",
}
"""The section of `params.yaml` and the folder it draws from."""


def kinds(family: str) -> tuple[str, ...]:
    """The kinds that exist in a family."""
    package = importlib.import_module(f"sbipipe.{family}")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))


def description(family: str, kind: str) -> str:
    """The first line of a kind's docstring, read without importing it."""
    spec = importlib.util.find_spec(f"sbipipe.{family}.{kind}")
    if spec is None or spec.origin is None:
        raise InputError(f"kind: given {kind!r}; allowed: {', '.join(kinds(family))}")
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text())) or ""
    return text.partition("\n")[0]


def plugin_class(family: str, kind: str) -> type[Any]:
    """The class behind a kind; raises InputError naming the kinds that exist."""
    if kind not in kinds(family):
        raise InputError(f"kind: given {kind!r}; allowed: {', '.join(kinds(family))}")
    module = collector.imported(f"sbipipe.{family}.{kind}")
    (name,) = module.__all__
    return cast(type[Any], getattr(module, name))


def make(section: str, kind: str, config: Mapping[str, Any], where: str) -> Any:
    """The plugin of an entry of `params.yaml`."""
    try:
        cls = plugin_class(FAMILIES[section], kind)
    except InputError as error:
        raise InputError(*(f"{where}.{problem}" for problem in error.problems)) from None
    return parse(cls, dict(config), f"{where}.config")


def simulator(params: Params, name: str) -> Simulator | Reader:
    """The simulator (or reader) of the entry `simulate.<name>`."""
    entry = params.simulate[name]
    return cast(Simulator | Reader, make("simulate", entry.kind, entry.config, f"simulate.{name}"))


def summary(params: Params, name: str) -> Summary:
    """The summary of the entry `summarise.<name>`."""
    entry = params.summarise[name]
    return cast(Summary, make("summarise", entry.kind, entry.config, f"summarise.{name}"))


def estimator(params: Params, name: str) -> Estimator:
    """The estimator of the entry `train.<name>`."""
    entry = params.train[name]
    return cast(Estimator, make("train", entry.kind, entry.config, f"train.{name}"))


def diagnostic(params: Params, name: str) -> Diagnostic:
    """The diagnostic of the entry `diagnose.<name>`."""
    entry = params.diagnose[name]
    return cast(Diagnostic, make("diagnose", entry.kind, entry.config, f"diagnose.{name}"))
