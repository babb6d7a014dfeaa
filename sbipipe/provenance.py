"""What a result was made from: data, parameters, code, seed and versions.

Two posterior files with equal data hash, parameter hash and commit come from the same run.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sbipipe import paths, storage
from sbipipe.config import Params

PACKAGES = ("sbipipe", "torch", "sbi", "zuko", "nflows", "numpy", "jaxpm", "jax", "lenstools")
"""Whose versions can change a number."""

CODE = ("sbipipe", "stages", "dvc.yaml", "pyproject.toml")
"""What makes the results. `params.yaml` is not among it: it has a hash of its own, and composing a
study or a profile writes it."""


def provenance(params: Params, of: str) -> dict[str, Any]:
    """Where the results of an estimator trained on the set `of` come from.

    Returns:
        `data_hash`, `params_hash`, `git_commit`, `seed`, and `versions` by package.
    """
    return {
        "data_hash": storage.open_set(paths.SETS / of).about["fingerprint"],
        "params_hash": params_hash(params),
        "git_commit": git_commit(),
        "seed": params.seed,
        "versions": versions(),
    }


def params_hash(params: Params) -> str:
    """Of everything in `params.yaml` that can change a result, in the order it is written."""
    values = TypeAdapter(Params).dump_python(params, mode="json", exclude={"runtime"})
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=16).hexdigest()


def git_commit(folder: Path = Path()) -> str:
    """The commit that is checked out, with "-dirty" where code differs from it.

    Neither parameters nor what a run or a person leaves beside the code count. Outside a repository
    it is "unknown".
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return "unknown"
    changed = _git(folder, "status", "--porcelain", "--", *CODE)
    return f"{commit}-dirty" if changed else commit


def versions() -> dict[str, str]:
    """Of the packages that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *words: str) -> str | None:
    """What git answers, or None where it has no answer."""
    try:
        answer = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=30
        )
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
