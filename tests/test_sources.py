"""Editing a kind changes what its own entries are made of; an edit of words changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sbipipe.plugins import FAMILIES
from sbipipe.sources import OF_KIND, SHARED, WHOLE, Sources, path_of

CODE = Sources()
MADE = dict(CODE.every())
KINDS = [(family, kind) for family in FAMILIES.values() for kind in CODE.kinds(family)]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The code, to be edited."""
    for name in ("sbipipe", "stages"):
        shutil.copytree(name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def changed(folder: Path) -> set[str]:
    """What is made of other code than ours."""
    after = dict(Sources(folder).every())
    assert set(after) >= set(MADE)
    return {str(path) for path in after if after[path] != MADE.get(path)}


def edit(file: Path, old: str, new: str) -> None:
    source = file.read_text()
    assert old in source
    file.write_text(source.replace(old, new, 1))


def test_a_copy_is_made_of_the_same(copied: Path) -> None:
    assert changed(copied) == set()


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_a_kind_is_in_its_own_entries_and_where_the_whole_family_may_be_used(
    family: str, kind: str
) -> None:
    own = {path_of(stage, kind) for stage, of in OF_KIND.items() if of == family}
    whole = {path_of(stage) for stage, families in WHOLE.items() if family in families}
    for file in CODE.kinds(family)[kind]:
        found = {path for path, digests in MADE.items() if str(file) in digests}
        assert found == own | whole if file.stat().st_size else not found


def test_editing_a_kind_changes_its_own_entries(copied: Path) -> None:
    edit(copied / "sbipipe/estimators/nre.py", "class Nre", "class Other")
    assert changed(copied) == {"train/nre.json", "draw/nre.json", "compare.json"}


def test_editing_a_file_of_a_kind_that_is_a_folder(copied: Path) -> None:
    edit(copied / "sbipipe/emulators/diffusion/schedule.py", "\n\n\n", "\n\nONE = 1\n\n\n")
    stages = [stage for stage, family in OF_KIND.items() if family == "emulators"]
    assert changed(copied) == {f"{stage}/diffusion.json" for stage in stages}


def test_what_several_kinds_import_changes_all_of_them(copied: Path) -> None:
    """And the stages that read weights of such kinds; other families' entries stay."""
    edit(copied / "sbipipe/learning/portfolio.py", "RUNG = 200", "RUNG = 201")
    found = changed(copied)
    assert {"train/npe.json", "train/nle.json", "train/nre.json", "budget.json"} <= found
    assert "train/surface.json" not in found
    assert not any(path.startswith(("simulate", "emulate", "judge", "report")) for path in found)


def test_comments_docstrings_and_layout_change_nothing(copied: Path) -> None:
    edit(copied / "sbipipe/estimators/nre.py", '"""', '"""In other words. ')
    edit(copied / "sbipipe/storage.py", "\nimport ", "\n# a comment\n\nimport ")
    edit(copied / "stages/train.py", '"""', '"""In other words. ')
    assert changed(copied) == set()


def test_a_script_is_in_its_own_stage_alone(copied: Path) -> None:
    edit(copied / "stages/publish.py", "def main", "def other() -> None: ...\n\n\ndef main")
    assert changed(copied) == {"publish.json"}


def test_a_new_kind_has_files_of_its_own(copied: Path) -> None:
    shutil.copy(copied / "sbipipe/estimators/nle.py", copied / "sbipipe/estimators/mine.py")
    assert changed(copied) == {"train/mine.json", "draw/mine.json", "compare.json"}


def test_families_and_stages_exist() -> None:
    named = {*OF_KIND, *WHOLE, *SHARED}
    assert named <= set(CODE.stages)
    rooms = {*OF_KIND.values(), *(f for fs in (*WHOLE.values(), *SHARED.values()) for f in fs)}
    assert all(CODE.kinds(room) for room in rooms)
