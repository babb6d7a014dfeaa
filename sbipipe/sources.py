"""What the stages are made of: of each, and of each kind its entries may name, the code it runs.

DVC runs a stage again when a file it depends on has changed. One stage writes what the others are
made of to `data/sources/`, and each depends on its own file there: `train/npe.json` names the
script of `train`, `estimators/npe.py`, and every file of ours that one of them imports, directly or
through others, each with the digest of its syntax tree (`fingerprint.tree`). So editing one kind
re-runs its own entries and what follows them, and an edit that moves no number re-runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from sbipipe.plugins import FAMILIES
from sbipipe.sets import fingerprint

PACKAGE = Path("sbipipe")

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
    "ask": ("emulators", "estimators", "recalibrations", "summaries"),
}
"""Families of which a stage uses a kind that is named elsewhere, so it is made of what these import
and not of themselves: the weights that it reads change with the kind's own code
(`project.stamped`). Estimators of different sets see a simulator's row through the summaries and
emulators behind these."""


class Sources:
    """The code below a folder, each file of which is read once.

    Args:
        root: The folder that holds `stages/` and `sbipipe/`.
    """

    def __init__(self, root: Path = Path()) -> None:
        self.root = root
        self.imports = cache(self._imports)
        self.digest = cache(lambda path: fingerprint.digest(path.read_text()))

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages."""
        return tuple(sorted(path.stem for path in (self.root / "stages").glob("*.py")))

    def kinds(self, family: str) -> dict[str, tuple[Path, ...]]:
        """The files of each kind of a family, whose file or folder has its name."""
        folder = self.root / PACKAGE / family
        found: dict[str, tuple[Path, ...]] = {p.stem: (p,) for p in folder.glob("*.py")}
        found |= {
            p.parent.name: tuple(p.parent.rglob("*.py")) for p in folder.glob("*/__init__.py")
        }
        return {kind: found[kind] for kind in sorted(found) if not kind.startswith("_")}

    def closure(self, paths: Iterable[Path]) -> set[Path]:
        """The files, and all that they import directly or through others."""
        seen: set[Path] = set()
        todo = list(paths)
        while todo:
            path = todo.pop()
            if path not in seen:
                seen.add(path)
                todo += self.imports(path)
        return seen

    def of(self, stage: str, kind: str | None = None) -> tuple[Path, ...]:
        """The files that a stage is made of where its entry is of a kind, in order."""
        whole = WHOLE.get(stage, ())
        own = self.kinds(OF_KIND[stage])[kind] if kind else ()
        used = [self.kinds(family).values() for family in (*whole, *SHARED.get(stage, ()))]
        others = [path for kinds in used for files in kinds for path in files]
        found = self.closure([self.root / "stages" / f"{stage}.py", *own, *others])
        hidden = {self.root / PACKAGE / family for family in {*FAMILIES.values()} - {*whole}}
        return tuple(sorted(p for p in found if p in own or not hidden & {*p.parents}))

    def every(self) -> Iterator[tuple[Path, Mapping[str, str]]]:
        """The path (`path_of`) of each stage, or of each kind of it, and its digests by file."""
        for stage in self.stages:
            for kind in self.kinds(OF_KIND[stage]) if stage in OF_KIND else (None,):
                files = {p.relative_to(self.root).as_posix(): p for p in self.of(stage, kind)}
                yield path_of(stage, kind), {name: self.digest(p) for name, p in files.items()}

    def _imports(self, path: Path) -> frozenset[Path]:
        """The files of the package that a file names; packages that hold no code do not count."""
        package = ".".join(path.relative_to(self.root).parent.parts)
        bases = {
            self.root / module.replace(".", "/")
            for module in fingerprint.named(path.read_text(), package)
            if module.startswith(f"{PACKAGE}.")
        }
        files = {f for base in bases for f in (base.with_suffix(".py"), base / "__init__.py")}
        return frozenset(f for f in files if f.is_file() and f.stat().st_size)


def path_of(stage: str, kind: str | None = None) -> Path:
    """Where lies, below `data/sources/`, what a stage is made of."""
    return Path(stage) / f"{kind}.json" if kind else Path(f"{stage}.json")
