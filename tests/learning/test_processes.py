"""Two processes on one machine train what one would, and one of them writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sbipipe.learning.processes import Processes, first

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np, torch
from sbipipe.learning import processes
from sbipipe.interfaces import Run
from sbipipe.learning.schedules import Cosine
from sbipipe.learning.players import Play, play
from sbipipe.learning.training import optimise, tensors

devices, folder = int(sys.argv[1]), Path(sys.argv[2])
rng = np.random.default_rng(1)
x = rng.normal(size=(45, 1))
train, valid = tensors(x[:33], 3 * x[:33] + 1), tensors(x[33:], 3 * x[33:] + 1)
torch.manual_seed(0)
module = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
settings = Cosine(epochs=4, patience=4, batch=16, learning_rate=1e-2, ema=0.9)
loss = lambda x, y: (module(x) - y).square().sum(1)
run = Run(seed=3, devices=devices, checkpoint=folder / "checkpoints")
history = optimise(module, loss, train, valid, settings, run, score=lambda: 1.0)

class Line:
    "A generator of the line's points, and a critic of them; neither draws a number."

    generator, critic = torch.nn.Linear(1, 1), torch.nn.Linear(2, 1)

    def critic_loss(self, rows):
        x, y = rows
        true, drawn = (self.critic(torch.cat([x, z], 1)) for z in (y, self.generator(x).detach()))
        return torch.nn.functional.softplus(torch.cat([-true, drawn], 1)).sum(1)

    def generator_loss(self, rows):
        drawn = torch.cat([rows[0], self.generator(rows[0])], 1)
        return torch.nn.functional.softplus(-self.critic(drawn))[:, 0]

    def penalty(self, rows):
        return (rows[0] * self.critic.weight.square().sum())[:, 0].abs()

    score = scatter = lambda self: 1.0

game = Line()
play(game, train, valid, Play(steps=7, batch=5, lazy=2), run, "two", "config.optimisation")
players = torch.cat([weight.flatten() for one in (game.generator, game.critic)
                     for weight in one.parameters()]).tolist()
rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
weights = torch.cat([weight.flatten() for weight in module.parameters()]).tolist()
found = {"weights": weights, "curve": history.curves["network"], "first": processes.first()}
found["players"] = players
(folder / f"{devices}_{rank}.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "train.py"
    script.write_text(SCRIPT)
    for devices in (1, 2):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, str(script), str(devices), str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    return folder


def found(folder: Path, name: str) -> dict:
    path = folder / f"{name}.json"
    return json.loads(path.read_text())


def test_two_processes_learn_what_one_learns(folder: Path) -> None:
    """A batch of one row among them, which leaves a process without any."""
    alone = found(folder, "1_0")
    for rank in (0, 1):
        shared = found(folder, f"2_{rank}")
        np.testing.assert_allclose(shared["weights"], alone["weights"], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(shared["players"], alone["players"], rtol=1e-4, atol=1e-6)
        for name, values in alone["curve"].items():
            np.testing.assert_allclose(shared["curve"][name], values, rtol=1e-4)


def test_one_of_them_writes(folder: Path) -> None:
    assert [found(folder, f"2_{rank}")["first"] for rank in (0, 1)] == [True, False]
    assert first()


def test_one_process_does_everything_alone() -> None:
    alone = Processes()
    index = torch.arange(5)
    assert alone.share(index) is index
    assert alone.sum(2.5) == alone.agreed(2.5) == 2.5
