r"""One loop for two networks that play against each other.

A generator draws fields, and a critic tells them from true ones (Goodfellow et al. 2014, arXiv
1406.2661). Each step moves the critic and then the generator, by Adam. Every few steps the critic
also pays a penalty, that many times as dear (lazy regularisation, Karras et al. 2020, arXiv
1912.04958). Losses say how the game stands and not how good the fields are, so a score of the
averaged generator (EMA) chooses the weights that are kept: after every so many steps, and more
often near the end, where the fields of neighbouring steps differ most (Mustafa et al. 2019).

An **epoch** is the stretch of steps between two scores. Its noise comes from the stream
("epoch", e) alone, and the order of the rows in their p-th pass from ("pass", p). So an interrupted
game goes on from its checkpoint to the very weights it would have had.

Several processes (`processes`) each take a share of every batch, with noise of their own, and step
together; buffers, which are statistics of batches, are averaged over them after each epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

import torch
from pydantic import Field, TypeAdapter
from torch import Tensor, nn

from sbipipe import storage
from sbipipe.interfaces import History, Run
from sbipipe.learning import checkpoints, processes
from sbipipe.learning.checkpoints import State, average, copied
from sbipipe.learning.precision import Precision, cast
from sbipipe.learning.processes import Processes
from sbipipe.learning.progress import Bar
from sbipipe.records import InputError, Positive, plugin
from sbipipe.seeds import number, torch_scope

Rows = tuple[Tensor, ...]
"""Tensors with equal first dimensions."""

CHECKPOINT_SECONDS = checkpoints.SECONDS

COLLAPSED = 0.05
"""Scatter between fields of different noise, in units of that of true fields, below which the
generator has forgotten its noise."""

BEGINNING = 100
"""The steps in which a generator may not yet know of its noise."""


@plugin
class Play:
    """How two players learn.

    Attributes:
        steps: The number of steps of each player.
        batch: The rows in a batch, at most.
        learning_rate: The rate of Adam for both players.
        fall: The share of the steps, at the end, over which the rate falls linearly to zero.
        beta1: The decay of Adam's mean of gradients.
        beta2: The decay of Adam's mean of squared gradients.
        penalty: The weight of the critic's penalty; 0 for none.
        lazy: The number of steps between two penalties.
        ema: The decay of the moving average of the generator's weights per step; 0 keeps the
            weights themselves.
        score_every: The number of steps between two scores.
        score_last: The same over the last `score_every` steps.
        precision: "bf16" multiplies matrices and convolves in bfloat16 in the losses, not in the
            penalty; weights, and the mean of the losses, stay in float32. Faster only where the
            hardware has it.
    """

    steps: Positive = 2_500
    batch: Positive = 32
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    fall: Annotated[float, Field(ge=0, le=1)] = 0.5
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    penalty: Annotated[float, Field(ge=0)] = 0.1
    lazy: Positive = 8
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.995
    score_every: Positive = 250
    score_last: Positive = 50
    precision: Precision = "float32"

    @property
    def ends(self) -> tuple[int, ...]:
        """The number of steps that are done at the end of each epoch."""
        last = max(0, self.steps - self.score_every)
        early = range(self.score_every, last, self.score_every)
        late = range(last, self.steps, self.score_last)
        return tuple(end for end in (*early, *late, self.steps) if end)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        left = (self.steps - step) / (self.fall * self.steps) if self.fall else 1.0
        return self.learning_rate * min(1.0, left)


class Game(Protocol):
    """Two players, and what each wants. Losses are of each of b rows, and may draw from torch's
    generator."""

    @property
    def generator(self) -> nn.Module:
        """Draws fields."""

    @property
    def critic(self) -> nn.Module:
        """Tells true fields from drawn ones."""

    def critic_loss(self, rows: Rows) -> Tensor:
        """What the critic lowers, (b,)."""

    def generator_loss(self, rows: Rows) -> Tensor:
        """What the generator lowers, (b,)."""

    def penalty(self, rows: Rows) -> Tensor:
        """What the critic pays, before its weight, (b,)."""

    def score(self) -> float:
        """How bad the fields of the generator are as it stands."""

    def scatter(self) -> float:
        """How much fields of the generator differ by their noise, where true ones have 1."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What a game is given, and what does not change while it runs."""

    game: Game
    train: Rows
    valid: Rows
    settings: Play
    run: Run
    label: str
    where: str
    about: str
    processes: Processes

    @property
    def batch(self) -> int:
        return min(self.settings.batch, len(self.train[0]))

    @property
    def device(self) -> torch.device:
        return torch.device(self.run.device)

    def order(self, epoch: int) -> Tensor:
        """The rows in their `epoch`-th pass; those that fill no batch are others in each."""
        seed = number(self.run.seed, self.label, "pass", epoch)
        return torch.randperm(len(self.train[0]), generator=torch.Generator().manual_seed(seed))

    def rows(self, rows: Rows, index: Tensor) -> tuple[Rows, float]:
        """This process's rows of a batch, and the share of the batch that they are."""
        own = self.processes.share(index)
        return tuple(tensor[own].to(self.run.device) for tensor in rows), len(own) / len(index)

    def fingerprint(self) -> str:
        settings = TypeAdapter(Play).dump_json(self.settings)
        words = settings + f"{self.run.seed} {self.label} {self.about}".encode()
        players = (self.game.generator, self.game.critic)
        states = [value for player in players for value in player.state_dict().values()]
        return checkpoints.fingerprint(words, (*self.train, *self.valid, *states))

    def wrong(self, what: str, step: int) -> InputError:
        return InputError(
            f"{self.where}: given players of which {what} at step {step + 1}; allowed: a game that "
            "goes on; try a lower learning_rate, a larger penalty or another seed"
        )


@dataclass
class _State:
    """What an interrupted game goes on from."""

    players: Mapping[str, nn.Module]
    optimisers: Mapping[str, torch.optim.Optimizer]
    average: State
    best: State
    step: int = 0
    seconds: float = 0.0
    curve: dict[str, list[float]] = field(
        default_factory=lambda: {"epoch": [], "step": [], "train": [], "valid": [], "score": []}
    )

    @property
    def epoch(self) -> int:
        """The number of epochs that are done."""
        return len(self.curve["epoch"])

    @property
    def chosen(self) -> int:
        """The epoch with the lowest score."""
        return self.curve["score"].index(min(self.curve["score"]))


def play(
    game: Game, train: Rows, valid: Rows, settings: Play, run: Run, label: str, where: str,
    about: str = "",
) -> History:  # fmt: skip
    """Train both players in place; the generator is left with its best averaged weights.

    Args:
        train, valid: Tensors with equal first dimensions.
        label: The learning curve's name, and the checkpoint's. Its losses are those of the critic,
            without the penalty.
        where: The dotted key that a message about the game begins with.
        about: What else the game depends on: a checkpoint of another is not gone on from.

    Raises:
        InputError: Where a loss is not finite, or all noise gives the same field; names the step.
    """
    task = _Task(
        game=game, train=train, valid=valid, settings=settings, run=run, label=label, where=where,
        about=about, processes=processes.start(run.device, run.devices),
    )  # fmt: skip
    state = _begin(task)
    _train(state, task)
    game.generator.load_state_dict(state.best)
    for player in state.players.values():
        player.eval()
    return History(
        curves={label: {name: tuple(values) for name, values in state.curve.items()}},
        chosen={label: state.chosen + 1},
        seconds=state.seconds,
    )


def _begin(task: _Task) -> _State:
    settings, game = task.settings, task.game
    players = {"generator": game.generator, "critic": game.critic}
    optimisers = {
        f"{name} optimiser": torch.optim.Adam(
            player.to(task.run.device).parameters(),
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
        )
        for name, player in players.items()
    }
    return _State(players, optimisers, copied(game.generator), copied(game.generator))


def _train(state: _State, task: _Task) -> None:
    """Epoch after epoch, from the checkpoint where there is one, until the last."""
    run = task.run
    path = run.checkpoint / f"{task.label}.safetensors" if run.checkpoint else None
    mark = task.fingerprint() if path else ""
    if path and path.exists():
        _resume(state, path, mark)
    saved, ends = time.monotonic(), task.settings.ends
    with Bar(run, task.label, len(ends)) as advance:
        advance(state.epoch, state.curve)
        while state.epoch < len(ends):
            start = time.perf_counter()
            _epoch(state, task, ends[state.epoch])
            state.seconds += time.perf_counter() - start
            advance(state.epoch, state.curve)
            if path and processes.first() and time.monotonic() - saved >= CHECKPOINT_SECONDS:
                _checkpoint(state, path, mark)
                saved = time.monotonic()
    if path and processes.first():
        path.unlink(missing_ok=True)


def _epoch(state: _State, task: _Task, end: int) -> None:
    """The steps up to `end`, then the score of the averaged generator."""
    found = {"epoch": state.epoch + 1.0, "step": float(end), "train": _steps(state, task, end)}
    for player in state.players.values():
        task.processes.average_buffers(player)
        player.eval()
    generator = task.game.generator
    weights = copied(generator)
    generator.load_state_dict(state.average)
    task.processes.average_buffers(generator)
    found["valid"] = _held_out(task)
    scatter = task.processes.agreed(task.game.scatter())
    if end > BEGINNING and not scatter > COLLAPSED:
        raise task.wrong("the generator draws one field whatever the noise", end - 1)
    found["score"] = task.processes.agreed(task.game.score())
    for name, value in found.items():
        state.curve[name].append(value)
    if state.chosen == state.epoch - 1:
        state.best = copied(generator)
    generator.load_state_dict(weights)


def _steps(state: _State, task: _Task, end: int) -> float:
    """Step up to `end`; the mean of the critic's losses on the way."""
    first, each, total = state.step, len(task.train[0]) // task.batch, 0.0
    seed = number(task.run.seed, task.label, "epoch", state.epoch)
    order: dict[int, Tensor] = {}
    for player in state.players.values():
        player.train()
    with torch_scope(seed):
        task.processes.part(seed)
        for step in range(first, end):
            number_of_pass, place = divmod(step, each)
            if number_of_pass not in order:
                order = {number_of_pass: task.order(number_of_pass)}
            index = order[number_of_pass][place * task.batch : (place + 1) * task.batch]
            total += _step(state, task, step, task.rows(task.train, index))
    state.step = end
    return task.processes.sum(total) / (end - first)


def _step(state: _State, task: _Task, step: int, given: tuple[Rows, float]) -> float:
    """One step of each player; this process's part of the critic's mean loss."""
    settings, game, (rows, share) = task.settings, task.game, given
    moved, lost = state.players, {"critic": 0.0, "generator": 0.0}
    losses = {"critic": game.critic_loss, "generator": game.generator_loss}
    for name, loss in losses.items():
        optimiser = state.optimisers[f"{name} optimiser"]
        for group in optimiser.param_groups:
            group["lr"] = settings.rate(step)
        for player in moved.values():
            player.requires_grad_(player is moved[name])
        optimiser.zero_grad()
        if share:
            with cast(task.device, settings.precision):
                each = loss(rows).float()
            mean = each.mean() * share
            lost[name] = float(mean.detach())
            if not math.isfinite(lost[name]):
                raise task.wrong(f"the {name}'s loss is {lost[name]}", step)
            if name == "critic" and settings.penalty and step % settings.lazy == 0:
                weight = settings.penalty * settings.lazy * share
                mean = mean + weight * game.penalty(rows).mean()
            torch.autograd.backward(mean)
        task.processes.add_gradients(moved[name])
        optimiser.step()
    average(state.average, game.generator, settings.ema, step)
    return lost["critic"]


@torch.no_grad()
def _held_out(task: _Task) -> float:
    """The critic's mean loss on `valid`, with the same noise every time."""
    count, total = len(task.valid[0]), 0.0
    seed = number(task.run.seed, task.label, "valid")
    with torch_scope(seed):
        task.processes.part(seed)
        for index in torch.split(torch.arange(count), 4 * task.batch):
            rows, share = task.rows(task.valid, index)
            if share:
                with cast(task.device, task.settings.precision):
                    losses = task.game.critic_loss(rows)
                total += float(losses.double().sum())
    return task.processes.sum(total) / count


def _checkpoint(state: _State, path: Path, mark: str) -> None:
    parts = {name: player.state_dict() for name, player in state.players.items()}
    parts |= {"average": state.average, "best": state.best}
    meta = {"epoch": state.epoch, "seconds": state.seconds, "curve": state.curve}
    meta["step"] = state.step
    storage.save_weights(path, checkpoints.packed(mark, parts, state.optimisers, meta))


def _resume(state: _State, path: Path, mark: str) -> None:
    """Go on from the checkpoint, if it is one of this game."""
    device = next(iter(state.average.values())).device
    found = checkpoints.unpacked(storage.load_weights(path), mark, state.optimisers, device)
    if found is None:
        return
    parts, meta = found
    for name, player in state.players.items():
        player.load_state_dict(parts[name])
    state.average, state.best = parts["average"], parts["best"]
    state.step, state.seconds = meta["step"], meta["seconds"]
    state.curve = dict(meta["curve"])


__all__ = ["COLLAPSED", "Game", "Play", "play"]
