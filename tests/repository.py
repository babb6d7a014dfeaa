"""A copy of what a run needs of this repository, under DVC."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]


def call(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


def dvc(folder: Path, *words: str) -> str:
    return call(folder, sys.executable, "-m", "dvc", *words).stdout


def repository(folder: Path, params: Mapping[str, Any]) -> Path:
    """A copy, with these parameters."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("sbipipe", "stages", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore, symlinks=True)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    for kept in (ROOT / "data").glob("*/.gitkeep"):
        own = folder / kept.relative_to(ROOT)
        own.parent.mkdir(parents=True)
        own.touch()
    (folder / "params.yaml").write_text(yaml.safe_dump(dict(params), sort_keys=False))
    call(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    return folder
