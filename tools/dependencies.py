"""Which files every DVC stage depends on, from the imports; `make deps` writes them to `dvc.yaml`.

A stage depends on its script, on what that imports directly or through others, and on the kinds
that its entries name. A kind is a file of a family's folder or a folder in it; what a kind imports
from outside its family counts for every entry of the stage, since DVC's templates know no
dependencies by kind. A folder all of whose files are imported stands for them.

DVC names a kind by one path, `sbipipe/<family>/${item.kind}.py`. For a kind that is a folder, that
path is a link to the folder; `make deps` makes it, too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from sbipipe.plugins import FAMILIES

FLOW = Path("dvc.yaml")
OF_KIND = {
    "simulate": "simulators",
    "summarise": "summaries",
    "emulate": "emulators",
    "score": "emulators",
    "train": "estimators",
    "draw": "estimators",
    "recalibrate": "recalibrations",
    "truth": "simulators",
    "draw_fields": "emulators",
    "ask": "emulators",
}
"""The family that the entries of a stage name a kind of."""

WHOLE = {
    "summarise": ("statistics",),
    "diagnose": ("diagnostics",),
    "compare": ("estimators", "recalibrations"),
    "judge": ("statistics",),
}
"""Families, and rooms whose files are found by folder, of which a stage may use every one."""

SHARED = {
    "recalibrate": ("estimators", "summaries", "emulators"),
    "compare": ("summaries", "emulators"),
    "budget": ("estimators",),
    "imitate": ("emulators",),
    "ask": ("estimators", "recalibrations", "summaries"),
}
"""Families of which a stage uses a kind that is named elsewhere: the weights that it reads change
with the kind's own code (`project.stamped`), but not with what the kind imports. Estimators of
different sets see a simulator's row through the summaries and emulators behind these."""


def kinds(family: str) -> list[Path]:
    """The files and folders of a family's kinds."""
    root = Path("sbipipe") / family
    files = [p for p in root.glob("*.py") if not p.is_symlink() and not p.name.startswith("_")]
    folders = [p.parent for p in root.glob("*/__init__.py") if not p.parent.is_symlink()]
    return sorted([*files, *folders])


def imports(path: Path) -> set[Path]:
    """Our files that a file imports, wherever in it; packages that hold no code do not count."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            base = Path(name.replace(".", "/"))
            found |= {p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()}
    return {p for p in found if len(p.parts) > 1 and p.parts[0] == "sbipipe" and _holds_code(p)}


def _holds_code(path: Path) -> bool:
    """Whether a file is more than the mark of a package."""
    return path != Path("sbipipe/__init__.py") and path.stat().st_size > 0


def closure(paths: Iterable[Path]) -> set[Path]:
    """The files, and all that they import directly or through others."""
    seen: set[Path] = set()
    todo = [file for path in paths for file in files_of(path)]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += imports(path)
    return seen


def files_of(path: Path) -> list[Path]:
    """A file, or the files of a folder."""
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def code(stage: str) -> list[str]:
    """The `deps` of a stage that are code, in order."""
    own = OF_KIND.get(stage)
    families = {*WHOLE.get(stage, ()), *SHARED.get(stage, ()), *([own] if own else [])}
    plugins = [kind for family in sorted(families) for kind in kinds(family)]
    found = closure([Path("stages") / f"{stage}.py", *plugins])
    rooms = {f"sbipipe/{family}" for family in (*FAMILIES.values(), *WHOLE.get(stage, ()))}
    shared = {p for p in found if p.parts[0] == "sbipipe" and "/".join(p.parts[:2]) not in rooms}
    deps = [f"stages/{stage}.py"]
    deps += [f"sbipipe/{own}/${{item.kind}}.py"] if own else []
    deps += [f"sbipipe/{family}" for family in WHOLE.get(stage, ())]
    deps += ["sbipipe/templates"] if Path("sbipipe/report.py") in found else []
    return deps + _folded(shared)


def _folded(files: set[Path]) -> list[str]:
    """The paths of files, and of folders in the place of all their files."""
    folders = {file.parent for file in files if len(file.parts) > 2}
    whole = {
        folder for folder in folders if set(filter(_holds_code, folder.rglob("*.py"))) <= files
    }
    rest = {p for p in files if p.parent not in whole}
    return [str(p) for p in (*sorted(whole), *sorted(rest))]


def is_code(dep: str) -> bool:
    """Whether a dependency is one that this module writes."""
    return dep.startswith(("sbipipe/", "stages/"))


def write() -> None:
    """Bring `dvc.yaml` and the links of kinds that are folders up to date."""
    for family in FAMILIES.values():
        for kind in kinds(family):
            link = kind.with_name(f"{kind.name}.py")
            if kind.is_dir() and not link.is_symlink():
                link.symlink_to(kind.name, target_is_directory=True)
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    flow = yaml.load(FLOW.read_text())
    for stage, body in flow["stages"].items():
        declared = body.get("do", body)["deps"]
        deps = [dep for dep in declared if not is_code(dep)] + code(stage)
        if deps != list(declared):
            body.get("do", body)["deps"] = CommentedSeq(deps)
    with FLOW.open("w") as file:
        yaml.dump(flow, file)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    write()
