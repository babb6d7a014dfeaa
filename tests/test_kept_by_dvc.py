"""Simulations of one's own are kept by DVC, and not by git (docs/recipes.md)."""

from __future__ import annotations

import pytest
from dulwich.ignore import IgnoreFilter

from repository import ROOT

SEEN = IgnoreFilter.from_path(ROOT / "data/.gitignore")
"""What DVC takes to be ignored; for it, `/raw/*` is the folder as well, and all that is in it."""


@pytest.mark.parametrize(
    "path", ["raw/mine.npz", "raw/camels/", "sets", "estimators/npe.safetensors", "looks.json"]
)
def test_git_leaves_data_alone(path: str) -> None:
    assert SEEN.is_ignored(path)


@pytest.mark.parametrize("path", ["raw/", "raw/mine.npz.dvc", "raw/.gitignore", "raw/.gitkeep"])
def test_what_dvc_writes_beside_a_file_is_seen(path: str) -> None:
    assert not SEEN.is_ignored(path)
