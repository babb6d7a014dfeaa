"""What is written for simulations that somebody brings is accepted, and says what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.typing import NDArray

from sbipipe import check
from sbipipe.init.guess import guess
from sbipipe.init.looking import look
from sbipipe.init.text import text
from sbipipe.records import InputError
from sbipipe.sets.cmd_layout import write_cmd

ROWS = 400


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def theta(rows: int = ROWS) -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform([0.1, 0.6], [0.5, 1.0], (rows, 2))


def x(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(1).standard_normal((ROWS, *shape))


def vectors() -> Path:
    np.savez("mine.npz", theta=theta(), x=x(3))
    return Path("mine.npz")


def maps() -> Path:
    np.savez("maps.npz", theta=theta(), x=x(16, 16))
    return Path("maps.npz")


def pair() -> Path:
    Path("pair").mkdir()
    np.save("pair/theta.npy", theta())
    np.save("pair/x.npy", x(3))
    return Path("pair")


def csv() -> Path:
    columns = {"theta_a": theta()[:, 0], "s0": x(1)[:, 0], "theta_b": theta()[:, 1]}
    pd.DataFrame(columns).to_csv("mine.csv", index=False)
    return Path("mine.csv")


def camels() -> Path:
    fields = np.random.default_rng(1).normal(size=(60 * 15, 1, 8, 8)).astype(np.float32)
    write_cmd(Path("maps"), suite="sbipipe", set="LH", theta=theta(60), log_density=fields, box=25)
    return Path("maps")


def written(path: Path, parameters: tuple[str, ...] = ()) -> dict[str, Any]:
    source = look(path, parameters)
    content = text(source, guess(source.theta, source.group, source.parameters))
    Path("params.yaml").write_text(content)
    assert "CONFIRM" in content
    return dict(yaml.safe_load(content))


@pytest.mark.parametrize(
    ("bring", "sets", "parameters"),
    [
        (vectors, ["vectors"], ["theta_0", "theta_1"]),
        (pair, ["vectors"], ["theta_0", "theta_1"]),
        (csv, ["vectors"], ["theta_a", "theta_b"]),
        (maps, ["cnn", "statistics"], ["theta_0", "theta_1"]),
        (camels, ["cnn", "statistics"], ["omega_m", "sigma_8"]),
    ],
)
def test_what_is_written_is_a_whole_study(
    bring: Any, sets: list[str], parameters: list[str]
) -> None:
    values = written(bring())
    found = check.check()
    assert found.problems == ()
    assert [*values["summarise"]] == sets
    assert {"npe", "nle", "nre"} <= set(values["train"])
    assert {"npe+tempered", "nle+tempered", "nre+tempered"} <= set(values["recalibrate"])
    (entry,) = values["simulate"].values()
    assert [*entry["config"]["prior"]] == parameters
    (line,) = check.outlooks(found)
    assert "no posterior will be published" not in line or values["gate"]["width_error"] == 0.5


def test_parameters_are_named() -> None:
    values = written(vectors(), ("omega_m", "sigma_8"))
    assert [*values["simulate"]["mine"]["config"]["prior"]] == ["omega_m", "sigma_8"]
    with pytest.raises(InputError, match="--parameters: given 1 names; allowed: 2"):
        look(Path("mine.npz"), ("omega_m",))


def test_columns_of_a_csv_file_are_named_by_the_prior() -> None:
    pd.DataFrame({"s": x(1)[:, 0], "b": theta()[:, 1], "a": theta()[:, 0]}).to_csv("mine.csv")
    found = look(Path("mine.csv"), ("a", "b"))
    np.testing.assert_allclose(found.theta, theta())
    with pytest.raises(InputError, match=r"no column c; found: .*, s, b, a"):
        look(Path("mine.csv"), ("a", "c"))


def test_fields_that_cannot_be_halved_have_no_network() -> None:
    np.savez("odd.npz", theta=theta(), x=x(9, 9))
    values = written(Path("odd.npz"))
    assert [*values["summarise"]] == ["statistics"]
    assert values["train"]["npe"]["of"] == "statistics"
    assert check.check().problems == ()


def test_a_name_is_made_of_the_file_s() -> None:
    np.savez("my sims (2).npz", theta=theta(), x=x(3))
    assert look(Path("my sims (2).npz")).name == "my_sims__2_"


@pytest.mark.parametrize("name", ["none.npz", "none.txt"])
def test_what_is_not_there_is_named(name: str) -> None:
    with pytest.raises(InputError, match=name):
        look(Path(name))


def test_a_parameter_with_one_value_is_fixed() -> None:
    np.savez("mine.npz", theta=np.insert(theta(), 1, 0.7, axis=1), x=x(3))
    values = written(Path("mine.npz"))
    (prior,) = (entry["config"]["prior"] for entry in values["simulate"].values())
    assert prior["theta_1"] == {"kind": "fixed", "value": 0.7}
    assert check.check().problems == ()


@pytest.mark.parametrize("step", [0.0, 1.0])
def test_sides_that_do_not_meet_are_guessed(step: float) -> None:
    """A slope from side to side, on white noise."""
    np.savez("maps.npz", theta=theta(), x=x(16, 16) + step * np.arange(16))
    source = look(Path("maps.npz"))
    written = text(source, guess(source.theta, source.group, source.parameters))
    (entry,) = yaml.safe_load(written)["simulate"].values()
    assert entry["config"]["periodic"] is (step == 0)
    assert ("opposite sides of axis 1 differ" in written) is (step > 0)


def test_heavy_tails_of_pixels_are_said_with_what_can_be_done() -> None:
    """exp(2 g) has a median absolute deviation of about 1, and pixels beyond exp(6)."""
    np.savez("maps.npz", theta=theta(), x=np.exp(2 * x(16, 16)))
    source = look(Path("maps.npz"))
    written = text(source, guess(source.theta, source.group, source.parameters))
    assert "# pixels have heavy tails: 400 of 400 fields" in written
    assert "arcsinh(x / s)" in written
    assert yaml.safe_load(written)["summarise"]["cnn"]
    mild = look(maps())
    assert "tails" not in text(mild, guess(mild.theta, mild.group, mild.parameters))
