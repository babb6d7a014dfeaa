"""Hashes move with what changes a result, and with nothing else."""

import subprocess

import numpy as np
import pytest
import yaml

from sbipipe import provenance, storage
from sbipipe.config import read_params
from sbipipe.provenance import git_commit, params_hash, versions
from sbipipe.storage import file_hash

PARAMS = {
    "seed": 1,
    "runtime": {"workers": 2},
    "simulate": {"toy": {"kind": "linear_gaussian"}},
    "train": {"exact": {"kind": "exact", "of": "toy"}},
    "diagnose": {"sbc": {"kind": "sbc"}},
    "summarise": {},
    "emulate": {},
    "join": {},
    "recalibrate": {},
    "draw": {},
    "gate": {},
}


def written(tmp_path, **changes):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**PARAMS, **changes}))
    return read_params(path)


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_the_machine_is_no_part_of_the_params_hash(tmp_path):
    first = params_hash(written(tmp_path))
    assert params_hash(written(tmp_path, runtime={"workers": 9})) == first
    assert params_hash(written(tmp_path, seed=2)) != first
    assert params_hash(written(tmp_path, gate={"level": 0.02})) != first


def test_outside_a_repository_the_commit_is_unknown(tmp_path):
    assert git_commit(tmp_path) == "unknown"


def test_a_commit_is_dirty_where_code_differs_and_nowhere_else(tmp_path):
    """A run of another profile writes params.yaml and dvc.lock, and people leave notebooks."""
    git(tmp_path, "init")
    code = tmp_path / "sbipipe" / "code.py"
    code.parent.mkdir()
    code.write_text("a = 1\n")
    for name in ("dvc.lock", "params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text("old\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first", "--no-verify")
    clean = git_commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "reports").mkdir()
    for name in ("dvc.lock", "params.yaml", "reports/page.html", "notes.ipynb"):
        (tmp_path / name).write_text("new\n")
    assert git_commit(tmp_path) == clean
    code.write_text("a = 2\n")
    assert git_commit(tmp_path) == f"{clean}-dirty"
    git(tmp_path, "checkout", "sbipipe")
    (tmp_path / "sbipipe" / "new.py").write_text("a = 1\n")
    assert git_commit(tmp_path) == f"{clean}-dirty"


def test_versions_are_those_of_installed_packages():
    found = versions()
    assert found["numpy"] == np.__version__
    assert set(found) <= set(provenance.PACKAGES)


def test_provenance_names_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = written(tmp_path)
    storage.finish_set(tmp_path / "data/sets/toy", {"fingerprint": "f00d"})
    found = provenance.provenance(params, "toy")
    assert found["data_hash"] == "f00d"
    assert found["seed"] == 1
    assert found["git_commit"] == "unknown"


def test_equal_files_have_equal_hashes(tmp_path):
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(text)
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b") != file_hash(tmp_path / "c")


@pytest.mark.parametrize("missing", ["a", "b"])
def test_a_missing_set_is_an_error(tmp_path, monkeypatch, missing):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no such file"):
        provenance.provenance(written(tmp_path), missing)
