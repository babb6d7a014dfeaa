"""Only what changes numbers changes the fingerprint, whichever file it stands in."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from sbipipe.plugins import kinds, plugin_class
from sbipipe.priors.fixed import Completed
from sbipipe.protocols import Simulator
from sbipipe.sets import fingerprint

importlib.import_module(fingerprint.DESIGN)  # as a campaign does

MODEL = '''"""A model."""

from typing import TYPE_CHECKING

from {package}.law import slope

if TYPE_CHECKING:
    from {package} import hints


class Model:
    """What it is."""

    def line(self, x):
        return slope(x)
'''
LAW = '''"""A law."""
import numpy as np
from . import constants


def slope(x):
    """How steep."""
    return constants.TWO * np.asarray(x)  # exactly
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a simulator, of what it imports, and of what it does not."""
    folder = tmp_path / f"toy_{abs(hash(tmp_path))}"
    folder.mkdir()
    texts = {"__init__": "", "model": MODEL, "law": LAW, "constants": "TWO = 2\n", "hints": "A = 1",
             "other": "B = 1"}  # fmt: skip
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text.replace("{package}", folder.name))
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == folder.name]:
        del sys.modules[name]


def found(package: Path, **changes: Any) -> fingerprint.Fingerprint:
    model = importlib.import_module(f"{package.name}.model").Model()
    given = {"kind": "toy", "config": {"a": 1}, "seed": 3} | changes
    return fingerprint.of(model, given["kind"], given["config"], given["seed"])


def edit(package: Path, name: str, old: str, new: str) -> None:
    path = package / f"{name}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_modules_are_found_through_import_statements(package: Path) -> None:
    names = fingerprint.modules(found(package) and f"{package.name}.model")
    assert set(names) == {package.name} | {
        f"{package.name}.{n}" for n in ("model", "law", "constants")
    }


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("law", "  # exactly", ""),
        ("law", "How steep.", "The steepness."),
        ("law", '    """How steep."""\n', ""),
        ("law", '"""A law."""\n', '"""A law."""\n\n\n'),
        ("law", "constants.TWO * np.asarray(x)", "(constants.TWO\n            * np.asarray(x))"),
        ("model", '    """What it is."""\n', ""),
        ("constants", "TWO = 2\n", 'TWO = 2\n"""Twice one."""\n'),
        ("other", "B = 1", "B = 2"),
        ("hints", "A = 1", "A = 2"),
    ],
)  # fmt: skip
def test_what_changes_no_number_changes_nothing(
    package: Path, name: str, old: str, new: str
) -> None:
    before = found(package)
    edit(package, name, old, new)
    assert found(package).digest == before.digest


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("model", "slope(x)", "slope(x) + 1"),
        ("law", "constants.TWO *", "constants.TWO /"),
        ("constants", "TWO = 2", "TWO = 2.5"),
    ],
)
def test_a_number_changes_it_in_any_module(package: Path, name: str, old: str, new: str) -> None:
    before = found(package)
    edit(package, name, old, new)
    after = found(package)
    assert fingerprint.differing(before.parts, after.parts) == [f"{package.name}.{name}"]
    assert after.digest != before.digest
    edit(package, name, new, old)
    assert found(package).digest == before.digest


@pytest.mark.parametrize("change", [{"kind": "b"}, {"config": {"a": 2}}, {"seed": 4}])
def test_settings_kind_and_seed_belong_to_it(package: Path, change: dict[str, Any]) -> None:
    before, after = found(package), found(package, **change)
    assert fingerprint.differing(before.parts, after.parts) == list(change)
    assert after.digest != before.digest


@pytest.mark.parametrize("kind", kinds("simulators"))
def test_every_simulator_depends_on_its_own_file_and_the_designs(kind: str) -> None:
    cls = plugin_class("simulators", kind)
    if not hasattr(cls, "simulate"):
        return
    simulator: Simulator = cls()
    parts = fingerprint.of(simulator, kind, {}, 1).parts
    assert {f"sbipipe.simulators.{kind}", "sbipipe.sets.splits", "sbipipe.seeds"} <= set(parts)
    assert not fingerprint.PLUMBING & set(parts)


def test_the_particle_mesh_depends_on_its_physics() -> None:
    simulator = plugin_class("simulators", "particle_mesh")()
    parts = fingerprint.of(simulator, "particle_mesh", {}, 1).parts
    for name in ("cosmology", "fields", "phase_space_sheet"):
        assert f"sbipipe.physics.{name}" in parts
    assert "sbipipe.priors" in parts


def test_fixed_parameters_change_no_code() -> None:
    """A simulator that is given them depends on what the simulator itself does."""
    cls = plugin_class("simulators", "lognormal")
    bare = cls()
    assert fingerprint.of(Completed(bare), "lognormal", {}, 1) == fingerprint.of(
        bare, "lognormal", {}, 1
    )
