"""Every stage depends on what it is made of, and follows the sections that it reads."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from sbipipe.config import Params
from sbipipe.paths import SOURCES
from sbipipe.plugins import FAMILIES
from sbipipe.plugins import kinds as names_of_kinds
from sbipipe.sources import OF_KIND, Sources, path_of

FLOW = yaml.safe_load(Path("dvc.yaml").read_text())
STAGES = FLOW["stages"]
CODE = Sources()
KINDS = [(family, kind) for family in FAMILIES.values() for kind in CODE.kinds(family)]
ROOMS = sorted({path.parent for path in Path("sbipipe").rglob("*.py")})


def body(stage: str) -> dict:
    return STAGES[stage].get("do", STAGES[stage])


def test_every_script_is_a_stage() -> None:
    assert set(CODE.stages) == set(STAGES)


@pytest.mark.parametrize("stage", sorted({*STAGES} - {"sources"}))
def test_a_stage_depends_on_what_it_is_made_of(stage: str) -> None:
    """Through `data/sources` alone; the page's templates are no Python."""
    own = str(SOURCES / path_of(stage, "${item.kind}" if stage in OF_KIND else None))
    code = [
        dep for dep in body(stage)["deps"] if dep.startswith(("sbipipe", "stages", str(SOURCES)))
    ]
    assert code == [own, *(["sbipipe/templates"] if stage == "report" else [])]


def test_an_entry_names_its_kind_where_the_stage_has_a_family() -> None:
    section_of = {family: section for section, family in FAMILIES.items()}
    for stage, family in OF_KIND.items():
        assert STAGES[stage]["foreach"] == f"${{{section_of[family]}}}"


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_every_kind_is_found_by_its_name(family: str, kind: str) -> None:
    assert kind in names_of_kinds(family)


def test_a_kind_imports_no_other_kind() -> None:
    rooms = {Path("sbipipe") / family for family in FAMILIES.values()}
    for family, kind in KINDS:
        own = set(CODE.kinds(family)[kind])
        for file in own:
            foreign = {p for p in CODE.imports(file) - own if rooms & {*p.parents}}
            assert not foreign, file


def test_imports_have_no_circle() -> None:
    for path in Path("sbipipe").rglob("*.py"):
        assert path not in CODE.closure(CODE.imports(path) - {path}), path


def test_rooms_import_one_way() -> None:
    """No two rooms import each other, directly or through others."""
    arrows = {
        room: {p.parent for path in room.glob("*.py") for p in CODE.imports(path)} - {room}
        for room in ROOMS
    }
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
