"""What numbers depend on: of a simulation its code, kind, settings, seed, and its prior's files.

Code is the abstract syntax tree of the simulator's module, of the modules that choose parameters
and seeds, and of every module of ours that one of them imports, directly or through others. The
tree has no comments and no layout, and docstrings are taken out of it: an edit that moves no number
changes no fingerprint.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from sbipipe.priors.fixed import simulates

DESIGN = "sbipipe.sets.splits"
"""The module that chooses parameters and seeds; a campaign imports it."""

PLUMBING = {"sbipipe", "sbipipe.config", "sbipipe.interfaces", "sbipipe.records"}
"""Modules that carry settings and shapes, and change no simulation."""


@dataclass(frozen=True)
class Fingerprint:
    """Of everything that changes a simulation.

    Attributes:
        parts: The digest of each thing: `kind`, `config`, `seed`, and every module by its name.
    """

    parts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Of all parts together, 32 hexadecimal digits."""
        return _digest(json.dumps(self.parts, sort_keys=True))

    def to_json(self) -> dict[str, Any]:
        """Plain values: the digest and its parts."""
        return {"fingerprint": self.digest, "parts": dict(self.parts)}


def of(simulator: Any, kind: str, config: Any, seed: int, source: str = "") -> Fingerprint:
    """The fingerprint of an entry's simulations.

    Args:
        config: The settings as they are written.
        seed: The entry's own seed.
        source: Of the files that the prior is made of (`Prior.source`).
    """
    trees = of_code(simulates(simulator).__module__, DESIGN)
    settings = {"kind": kind, "config": json.dumps(config), "seed": str(seed)}
    settings |= {"prior": source} if source else {}
    return Fingerprint({name: _digest(text) for name, text in settings.items()} | trees)


def of_code(*names: str) -> dict[str, str]:
    """The digest of each of these modules, and of all of ours that they import, by name."""
    code = {module: path for name in names for module, path in modules(name).items()}
    return {name: digest(path.read_text()) for name, path in sorted(code.items())}


def digest(source: str) -> str:
    """Of the syntax tree of a source, 32 hexadecimal digits."""
    return _digest(tree(source))


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names of the parts that only one has, or that are not equal."""
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


def modules(name: str) -> dict[str, Path]:
    """The file of a module, and of every module of its package that it imports, by module name."""
    file = sys.modules[name].__file__
    root = Path(str(file)).parents[name.count(".")]
    found: dict[str, Path] = {}
    todo = [name]
    while todo:
        module = todo.pop()
        path = _file(root, module)
        if path is None or module in found or module in PLUMBING:
            continue
        found[module] = path
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        imported = imports(path.read_text(), package)
        todo += [one for one in imported if one.split(".")[0] == name.split(".")[0]]
    return found


def imports(source: str, package: str) -> Iterator[str]:
    """Names of the modules that a source imports when it runs, and of their packages.

    Args:
        package: Where the source lies, for imports relative to it.
    """
    for name in named(source, package):
        parts = name.split(".")
        yield from (".".join(parts[: i + 1]) for i in range(len(parts)))


def named(source: str, package: str) -> Iterator[str]:
    """Names of the modules that a source names where it imports when it runs.

    For `from a import b` both `a` and `a.b` are given, of which the latter need not be a module.
    """
    for node in _running(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def tree(source: str) -> str:
    """The syntax tree of a source as text, without docstrings and positions."""
    parsed = ast.parse(source)
    for node in ast.walk(parsed):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.dump(parsed)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The statements below, and what else is no expression, less what is there for a type checker
    alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _running(child)


def _is_text(statement: ast.AST) -> bool:
    """Whether a statement is a string and nothing else, as a docstring is."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _file(root: Path, module: str) -> Path | None:
    """Where a module lies, or None where the name is no module's."""
    base = root / module.replace(".", "/")
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists()), None)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
