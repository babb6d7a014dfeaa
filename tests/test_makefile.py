"""`make` installs into the environment of this folder, and into no other."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from repository import ROOT

TEXT = (ROOT / "Makefile").read_text()
FILES = ("Makefile", "requirements.txt", "requirements-build.txt", "pyproject.toml")


def test_every_installation_is_by_the_environment_s_own_python() -> None:
    assert re.findall(r"^PIP := (.*) -m pip --require-virtualenv ", TEXT, re.MULTILINE) == [
        "$(BIN)/python"
    ]
    assert not re.search(r"(?<!-m )\bpip3? install", TEXT)
    assert TEXT.count("$(PIP) ") == 3


def test_a_link_to_another_environment_is_left_alone(tmp_path: Path) -> None:
    other, own = tmp_path / "other", tmp_path / "own"
    (other / "bin").mkdir(parents=True)
    python = other / "bin/python"
    python.write_text("#!/bin/sh\ntouch installed\n")
    python.chmod(0o755)
    own.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, own / name)
    (own / ".venv").symlink_to(other)
    done = subprocess.run(
        ["make", "check"], cwd=own, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode
    assert ".venv: a link to another environment" in done.stderr
    assert not (own / "installed").exists()
