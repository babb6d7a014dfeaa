"""Every stage's `deps` name the library files it imports: what can change its numbers."""

import ast
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from sbipipe.config import Params
from sbipipe.plugins import FAMILIES, kinds

STAGES = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
FAMILY = {"simulate": "simulators", "summarise": "summaries", "train": "estimators",
          "draw": "estimators", "diagnose": "diagnostics", "compare": "estimators"}  # fmt: skip
FAMILIES_OF = {"emulate": ("estimators", "simulators")} | {s: (f,) for s, f in FAMILY.items()}


def imports(path: Path) -> set[Path]:
    """Our modules that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            base = Path(name.replace(".", "/"))
            found |= {p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists()}
    return {p for p in found if p.parts[0] == "sbipipe" and p.name != "__init__.py"}


def closure(*paths: Path) -> set[Path]:
    """The files, and all that they import directly or through others."""
    seen: set[Path] = set()
    todo = list(paths)
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += imports(path)
    return seen


def plugins(stage: str) -> list[Path]:
    return [
        Path(f"sbipipe/{family}/{kind}.py")
        for family in FAMILIES_OF.get(stage, ())
        for kind in kinds(family)
    ]


def declared(stage: str) -> set[str]:
    body = STAGES[stage].get("do", STAGES[stage])
    return set(body["deps"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_what_it_imports(stage: str) -> None:
    files = closure(Path(f"stages/{stage}.py"), *plugins(stage))
    shared = {str(path) for path in files if str(path.parent) not in families()}
    missing = {
        path
        for path in shared
        if path not in declared(stage) and str(Path(path).parent) not in declared(stage)
    }
    assert not missing, "\n".join(f"        - {path}" for path in sorted(missing))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_nothing_it_does_not_import(stage: str) -> None:
    files = {str(p) for p in closure(Path(f"stages/{stage}.py"), *plugins(stage))}
    extra = {d for d in declared(stage) if d.endswith(".py") and "${" not in d} - files
    assert not extra


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_described(stage: str) -> None:
    assert STAGES[stage].get("do", STAGES[stage])["desc"]


def families() -> set[str]:
    return {f"sbipipe/{family}" for family in FAMILIES.values()}


def test_families_never_import_each_other() -> None:
    for family in families():
        for path in Path(family).glob("*.py"):
            foreign = {str(p.parent) for p in imports(path)} & families()
            assert not foreign, path


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("matplotlib", "sbipipe/figures"),
        ("lenstools", "sbipipe/statistics"),
        ("pickle", "nowhere"),
    ],
)
def test_a_library_has_one_room(module: str, allowed: str) -> None:
    for path in Path("sbipipe").rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        if any(name.split(".")[0] == module for name in names):
            assert str(path.parent) == allowed, path


def tracked(stage: str) -> set[str]:
    """The sections of `params.yaml` that a stage follows."""
    return {name.split(".")[0] for name in STAGES[stage].get("do", STAGES[stage])["params"]}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_tracks_the_sections_that_its_script_reads(stage: str) -> None:
    tree = ast.parse(Path(f"stages/{stage}.py").read_text())
    read = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "params"
    }
    sections = set(TypeAdapter(Params).json_schema()["required"])
    assert read & sections <= tracked(stage)


def test_what_only_the_gate_reads_draws_nothing_again() -> None:
    assert tracked("draw") == {"seed", "draw", "train"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_tracks_only_parameters_that_have_to_be_there(stage: str) -> None:
    """DVC refuses to run where a tracked parameter is left out."""
    schema = TypeAdapter(Params).json_schema()
    required = set(schema["required"])
    assert tracked(stage) <= required
    names = STAGES[stage].get("do", STAGES[stage])["params"]
    assert all(name.count(".") == 0 or name.endswith("${key}") for name in names)
