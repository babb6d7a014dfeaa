"""What every stage depends on is what it imports, and editing a kind re-runs that kind alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from sbipipe.config import Params
from sbipipe.plugins import FAMILIES
from sbipipe.plugins import kinds as names_of_kinds

sys.path.insert(0, "tools")
import dependencies
from dependencies import closure, code, files_of, imports, is_code, kinds

FLOW = yaml.safe_load(Path("dvc.yaml").read_text())
STAGES = FLOW["stages"]
KINDS = [(family, kind) for family in FAMILIES.values() for kind in kinds(family)]
ROOMS = sorted({path.parent for path in Path("sbipipe").rglob("*.py") if not path.is_symlink()})


def body(stage: str) -> dict:
    return STAGES[stage].get("do", STAGES[stage])


def declared(stage: str) -> list[str]:
    return [dep for dep in body(stage)["deps"] if is_code(dep)]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_what_it_imports_and_on_nothing_else(stage: str) -> None:
    assert declared(stage) == code(stage), "make deps"


@pytest.mark.parametrize(("family", "kind"), KINDS, ids=[str(kind) for _, kind in KINDS])
def test_editing_a_kind_re_runs_its_own_entries_and_what_follows(family: str, kind: Path) -> None:
    """A stage sees a kind's files through its own name, or is one that may use the whole family."""
    for stage in STAGES:
        named = f"sbipipe/{family}/${{item.kind}}.py" in declared(stage)
        seen = [
            file
            for file in files_of(kind)
            for dep in declared(stage)
            if "${" not in dep and (str(file) == dep or Path(dep) in file.parents)
        ]
        whole = family in dependencies.WHOLE.get(stage, ())
        assert bool(seen) == whole, f"{stage} depends on {kind}"
        assert named == (dependencies.OF_KIND.get(stage) == family)


@pytest.mark.parametrize(("family", "kind"), KINDS, ids=[str(kind) for _, kind in KINDS])
def test_every_kind_is_found_by_its_name(family: str, kind: Path) -> None:
    assert kind.stem in names_of_kinds(family)
    assert kind.with_suffix(".py").exists(), "make deps"


def test_a_kind_imports_no_other_kind() -> None:
    rooms = {f"sbipipe/{family}" for family in FAMILIES.values()}
    for _, kind in KINDS:
        own = set(files_of(kind))
        for file in own:
            foreign = {p for p in imports(file) - own if "/".join(p.parts[:2]) in rooms}
            assert not foreign, file


def test_imports_have_no_circle() -> None:
    for path in Path("sbipipe").rglob("*.py"):
        if not any(part.is_symlink() for part in (path, *path.parents)):
            beyond = closure(imports(path) - {path})
            assert path not in beyond, path


def test_rooms_import_one_way() -> None:
    """No two rooms import each other, directly or through others."""
    arrows: dict[Path, set[Path]] = {room: set() for room in ROOMS}
    for room in ROOMS:
        for path in room.glob("*.py"):
            if not path.is_symlink():
                arrows[room] |= {p.parent for p in imports(path)} - {room}
    top = Path("sbipipe")
    for room in ROOMS:
        seen, todo = set(), [r for r in arrows[room] if r != top]
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo += [r for r in arrows[one] if r != top]
        assert room == top or room not in seen, room


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_described(stage: str) -> None:
    assert body(stage)["desc"]


@pytest.mark.parametrize("stage", STAGES)
def test_no_name_passes_through_a_shell(stage: str) -> None:
    assert body(stage)["cmd"] == f"python stages/{stage}.py"


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("matplotlib", "sbipipe/figures"),
        ("lenstools", "sbipipe/statistics"),
        ("pickle", "nowhere"),
    ],
)
def test_a_library_has_one_room(module: str, allowed: str) -> None:
    for path in filter(Path.is_file, Path("sbipipe").rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        if any(name.split(".")[0] == module for name in names):
            assert str(path.parent) == allowed, path


SECTIONS = {section.name for section in fields(Params)} - {"runtime"}


def tracked(stage: str) -> set[str]:
    """The sections of `params.yaml` that a stage follows: through its entry, or as a whole."""
    own = {name.split(".")[0] for name in body(stage).get("params", [])}
    files = {Path(dep) for dep in body(stage)["deps"] if dep.startswith("data/settings")}
    return SECTIONS if Path("data/settings") in files else own | {path.stem for path in files}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_tracks_the_sections_that_its_script_reads(stage: str) -> None:
    tree = ast.parse(Path(f"stages/{stage}.py").read_text())
    read = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "params"
    }
    assert read & SECTIONS <= tracked(stage)


def test_what_only_the_gate_reads_draws_nothing_again() -> None:
    assert tracked("draw") == {"seed", "draw", "train"}


def test_every_section_that_can_change_a_result_is_written_out() -> None:
    assert {Path(out).stem for out in body("settings")["outs"]} == SECTIONS


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_tracks_only_parameters_that_have_to_be_there(stage: str) -> None:
    """DVC refuses to run where a tracked parameter is left out."""
    own = STAGES[stage].get("foreach", "${}")[2:-1]
    assert set(body(stage).get("params", [])) <= {f"{own}.${{key}}"}


def test_a_section_that_may_be_left_out_is_empty_to_dvc() -> None:
    (left_out,) = (given for given in FLOW["vars"] if given != "params.yaml")
    required = set(TypeAdapter(Params).json_schema()["required"])
    named = {STAGES[stage]["foreach"][2:-1] for stage in STAGES if "foreach" in STAGES[stage]}
    assert left_out == {name: {} for name in named - required}


def test_writing_the_dependencies_changes_nothing(tmp_path: Path) -> None:
    """`make deps` on a flow that is up to date leaves it as it is, comments included."""
    before = Path("dvc.yaml").read_text()
    subprocess.run([sys.executable, "tools/dependencies.py"], check=True, timeout=60)
    assert Path("dvc.yaml").read_text() == before
    assert re.search(r"# an interrupted campaign", before)
