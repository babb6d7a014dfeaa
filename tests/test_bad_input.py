"""Wrong input ends in one clear line with the dotted key or file, exit code 2, and no change."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import linear_run
from sbipipe import paths, storage
from sbipipe.config import read_params

PRIOR = {
    "a": {"kind": "uniform", "low": -1.0, "high": 1.0},
    "b": {"kind": "uniform", "low": -1.0, "high": 1.0},
}
FILE = "data/raw/mine.npz"


def params(prior=PRIOR, **changes):
    values = {
        "seed": 1,
        "simulate": {"mine": {"kind": "arrays", "config": {"path": FILE, "prior": prior}}},
        "summarise": {"raw": {"kind": "identity", "of": "mine"}},
        "emulate": {},
        "join": {},
        "recalibrate": {},
        "train": {"npe": {"kind": "npe", "of": "raw"}},
        "diagnose": {"sbc": {"kind": "sbc"}},
        "draw": {},
        "gate": {},
    }
    return {**values, **changes}


def write(values) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def bring(rows=200, seed=0, **changes):
    rng = np.random.default_rng(seed)
    arrays = {"theta": rng.uniform(-1, 1, (rows, 2)), "x": rng.normal(size=(rows, 3))} | changes
    Path(FILE).parent.mkdir(parents=True, exist_ok=True)
    np.savez(FILE, **arrays)
    return arrays


def snapshot():
    return {p: p.read_bytes() for p in sorted(Path("data").rglob("*")) if p.is_file()}


@pytest.fixture(autouse=True)
def run(tmp_path, monkeypatch, capsys):
    """A set made from good input."""
    monkeypatch.chdir(tmp_path)
    write(params())
    bring()
    linear_run.stage("simulate", "mine")
    capsys.readouterr()


def refused(capsys, stage, *words):
    """The lines with which a stage ends, having changed nothing."""
    before = snapshot()
    with pytest.raises(SystemExit) as end:
        linear_run.stage(stage, *words)
    assert end.value.code == 2
    assert snapshot() == before
    lines = capsys.readouterr().err.splitlines()
    assert not any("Traceback" in line for line in lines)
    return lines


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"sed": 1}, "sed: unknown key"),
        ({"gate": {"draws": 200}}, "gate.draws: moved; write draw.draws"),
        ({"seed": "one"}, 'seed: given "one"; input should be a valid integer'),
        (
            {"draw": {"draws": 3}},
            "draw.draws: given 3; input should be greater than or equal to 20",
        ),
        (
            {"train": {"npe": {"kind": "npe", "of": "row"}}},
            "train.npe.of: given 'row'; allowed: raw, mine",
        ),
    ],
)
def test_wrong_params(capsys, changes, line):
    write(params(**changes))
    (found,) = refused(capsys, "simulate", "mine")
    assert found == line


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"kind": "array"}, "simulate.mine.kind: given 'array'; allowed: arrays, "),
        ({"config": {"path": FILE, "prior": PRIOR, "pth": 1}}, "simulate.mine.config.pth: unknown"),
        ({"config": {"path": 3, "prior": PRIOR}}, "simulate.mine.config.path: given 3; "),
        ({"config": {"path": FILE}}, "simulate.mine.config.prior: missing"),
    ],
)
def test_wrong_settings_of_a_plugin(capsys, entry, line):
    mine = {**params()["simulate"]["mine"], **entry}
    write(params(simulate={"mine": mine}))
    (found,) = refused(capsys, "simulate", "mine")
    assert found.startswith(line)


@pytest.mark.parametrize("name", ["omega m", "<b>", "draw", "1a"])
def test_names_that_a_parameter_cannot_have(capsys, name):
    write(params(prior={name: PRIOR["a"], "b": PRIOR["b"]}))
    (found,) = refused(capsys, "simulate", "mine")
    assert found.startswith("simulate.mine.config.prior.")
    assert f"the name {name!r} is not allowed" in found


def test_a_missing_file(capsys):
    Path(FILE).unlink()
    assert refused(capsys, "simulate", "mine") == [f"{FILE}: no such file"]


def test_a_file_that_is_cut_off(capsys):
    content = Path(FILE).read_bytes()
    Path(FILE).write_bytes(content[: len(content) // 2])
    (found,) = refused(capsys, "simulate", "mine")
    assert found.startswith(f"{FILE}: ")


def test_theta_and_x_of_different_length(capsys):
    bring(x=np.zeros((150, 3)))
    (found,) = refused(capsys, "simulate", "mine")
    assert found.startswith(f"{FILE}: theta has 200 rows and x has 150")


def test_theta_outside_the_prior(capsys):
    theta = np.zeros((200, 2))
    theta[7, 1] = 3
    bring(theta=theta)
    (found,) = refused(capsys, "simulate", "mine")
    assert found.startswith(f"{FILE}: theta: 1 rows lie outside the prior of b, the first in row 7")


def test_an_empty_split(capsys):
    bring(group=np.zeros(200, int))
    (found,) = refused(capsys, "simulate", "mine")
    assert found.startswith("simulate.mine: the split ")
    assert "empty" in found


def test_rows_that_are_not_finite_are_left_out_and_counted():
    x = bring()["x"]
    x[3, 0], x[50, 2], x[60] = np.nan, np.inf, -np.inf
    bring(x=x)
    linear_run.stage("simulate", "mine")
    about = json.loads((paths.SETS / "mine/set.json").read_text())
    assert about["excluded"] == 3
    assert sum(about["simulations"].values()) == 197


def test_only_rows_that_are_not_finite(capsys):
    bring(x=np.full((200, 3), np.nan))
    lines = refused(capsys, "simulate", "mine")
    assert len(lines) == 1


def test_a_truncated_chunk(capsys):
    chunks = [p for p in (paths.SETS / "mine/train.zarr/x/c").rglob("*") if p.is_file()]
    chunks[0].write_bytes(chunks[0].read_bytes()[:-5])
    (found,) = refused(capsys, "summarise", "raw")
    assert found.startswith("data/sets/mine/train.zarr/x: a chunk is damaged")


def test_a_missing_chunk(capsys):
    chunks = [p for p in (paths.SETS / "mine/train.zarr/x/c").rglob("*") if p.is_file()]
    chunks[0].unlink()
    (found,) = refused(capsys, "summarise", "raw")
    assert re.match(r"data/sets/mine/train\.zarr/x: 1 of \d+ chunks missing", found)


def test_a_missing_set(capsys):
    shutil.rmtree(paths.SETS / "mine")
    assert refused(capsys, "summarise", "raw") == ["data/sets/mine/set.json: no such file"]


def test_weights_that_are_cut_off(capsys):
    path = paths.ESTIMATORS / "npe.safetensors"
    linear_run.stage("summarise", "raw")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut off")
    (found,) = refused(capsys, "draw", "npe")
    assert found.startswith(f"{path}: not whole")


def test_the_good_input_is_good():
    assert len(storage.open_set(paths.SETS / "mine").split("train")) > 100
    assert read_params().simulator_of("raw") == "mine"
