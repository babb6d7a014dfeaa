"""The snippets of README.md, as they stand: settings are accepted, commands exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml

from repository import ROOT, dvc, repository
from sbipipe import check, cli, plugins
from sbipipe.config import Params, Simulations
from sbipipe.records import parse
from test_studies import composed

TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
LINES = [
    line.split("#")[0].strip() for kind, block in BLOCKS if not kind for line in block.splitlines()
]
COMMANDS = [line for line in LINES if re.match(r"(make|sbipipe|dvc) ", line)]
SPANS = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", TEXT, flags=re.DOTALL | re.MULTILINE))
(SNIPPET,) = (block for kind, block in BLOCKS if kind == "yaml")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the snippet and simulations of its shape."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/raw").mkdir(parents=True)
    rng = np.random.default_rng(0)
    theta = np.stack([rng.uniform(0.1, 0.5, 1000), rng.normal(0.8, 0.1, 1000)], 1)
    x = np.repeat(theta, 4, 1) + 0.1 * rng.standard_normal((1000, 8))
    np.savez("data/raw/mine.npz", theta=theta, x=x)
    (tmp_path / "params.yaml").write_text(SNIPPET)
    return tmp_path


def test_the_snippet_is_a_whole_study(mine: Path) -> None:
    found = check.check()
    assert found.problems == ()
    assert found.params
    assert set(found.params.diagnose) == {"sbc", "coverage", "tarp", "regions"}
    (seen,) = check.outlooks(found)
    assert seen.startswith("simulate.mine: 2")


def test_dvc_takes_the_snippet(tmp_path: Path) -> None:
    folder = repository(tmp_path / "sbipipe", yaml.safe_load(SNIPPET))
    (folder / "params.yaml").write_text(SNIPPET)
    stages = set(json.loads(dvc(folder, "status", "--json")))
    entries = {"simulate@mine", "summarise@vectors", "train@npe", "train@nle", "draw@nle",
               "recalibrate@npe+levels", "recalibrate@npe+nle"}  # fmt: skip
    assert entries | {"settings", "diagnose", "publish", "report"} <= stages


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_exists(line: str) -> None:
    program, *words = shlex.split(line)
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "dvc":
        assert words[:2] == ["exp", "run"]
        parse(Params, composed(*words[3::2]), "")
    else:
        parsed(words)


def parsed(words: list[str]) -> None:
    """Raise where the command line does not know a command or one of its words."""
    commands: dict[str, Any] = typer.main.get_command(cli.app).commands
    commands[words[0]].make_context(words[0], words[1:])


def test_commands_in_the_text_exist() -> None:
    found = [shlex.split(span) for span in SPANS if span.startswith("sbipipe ")]
    assert len(found) > 3
    for _, *words in found:
        parsed(words)


@pytest.mark.parametrize("span", [span for span in SPANS if span.startswith("config: {")])
def test_settings_in_the_text_are_accepted(span: str) -> None:
    config: dict[str, Any] = yaml.safe_load(span)["config"]
    plugins.make("train", "npe", config, "train.npe")


def test_shares_in_the_text_are_accepted() -> None:
    (span,) = (span for span in SPANS if span.startswith("simulations: {"))
    parse(Simulations, yaml.safe_load(span)["simulations"], "")
