"""One optimisation loop for every network.

AdamW with a rate and an end of its own (`schedules`), gradient clipping, an optional exponential
moving average of the weights (EMA), and early stopping: the weights kept are those of the epoch
with the lowest validation loss, or with the lowest score where one is given. The validation loss
averages over *every* row, and uses the same random numbers in each epoch, so that it compares
weights and nothing else.

Randomness of epoch e comes from the stream ("epoch", e) alone. So the loop's whole state is its
tensors and its history: an interrupted fit goes on from its checkpoint to the very weights it would
have had. A checkpoint carries the fingerprint of its task (seed, settings, data, first weights);
one of another task is not gone on from.

A step of a network of vectors takes milliseconds, and threads that share one wait for each other:
longer than they help, on a machine that has other work. So it is computed by one.

Several processes (`processes`) each take a share of every batch, with noise of their own, and step
together; the first of them writes the checkpoints.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from sbipipe import storage
from sbipipe.interfaces import History, Run
from sbipipe.learning import checkpoints, processes
from sbipipe.learning.checkpoints import average, copied
from sbipipe.learning.precision import cast
from sbipipe.learning.processes import Processes
from sbipipe.learning.progress import Bar
from sbipipe.learning.schedules import Schedule, steps_per_epoch
from sbipipe.learning.threads import threads
from sbipipe.seeds import number, torch_scope

Rows = tuple[Tensor, ...]
Loss = Callable[..., Tensor]
"""Per-row losses with shape (b,) from the b rows of a batch; may draw from torch's generator."""

Score = Callable[[], float]
"""How bad the module is as it stands, where the loss does not say it."""

CHECKPOINT_SECONDS = checkpoints.SECONDS

VECTORS = 3
"""Dimensions of tensors that hold some vectors for each row, at most."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What a fit is given, and what does not change while it runs."""

    loss: Loss
    train: Rows
    valid: Rows
    settings: Schedule
    run: Run
    label: str
    augment: Callable[..., Rows] | None
    score: Score | None
    processes: Processes

    @property
    def device(self) -> torch.device:
        return torch.device(self.run.device)

    @property
    def rows(self) -> int:
        return len(self.train[0])

    @property
    def batch(self) -> int:
        return self.settings.batch_of(self.rows)

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(self.settings, self.rows)

    def losses(self, rows: Rows) -> Tensor:
        with cast(self.device, self.settings.precision):
            return self.loss(*rows).float()

    def fingerprint(self, module: nn.Module) -> str:
        """Equal for two fits exactly when they would go the same way (as far as data can tell)."""
        settings = TypeAdapter(type(self.settings)).dump_json(self.settings)
        words = settings + f"{self.run.seed} {self.label} {self.score is None}".encode()
        tensors = (*self.train, *self.valid, *module.state_dict().values())
        return checkpoints.fingerprint(words, tensors)


@dataclass
class _State:
    """What an interrupted fit goes on from."""

    module: nn.Module
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor]
    best: dict[str, Tensor]
    epoch: int = 0
    seconds: float = 0.0
    curve: dict[str, list[float]] = field(
        default_factory=lambda: {"epoch": [], "train": [], "valid": []}
    )

    @property
    def judged(self) -> list[float]:
        """The scores of the epochs, or their validation losses where there are none."""
        return self.curve.get("score", self.curve["valid"])

    @property
    def chosen(self) -> int:
        """The epoch with the lowest score, or validation loss where there is none."""
        return self.judged.index(min(self.judged))


def optimise(
    module: nn.Module,
    loss: Loss,
    train: Rows,
    valid: Rows,
    settings: Schedule,
    run: Run,
    label: str = "network",
    augment: Callable[..., Rows] | None = None,
    score: Score | None = None,
    keep: bool = False,
) -> History:
    """Train `module` in place and leave in it the weights of its best epoch, in `eval` mode.

    Args:
        module: The network that `loss` calls.
        loss: `loss(*rows) -> (b,)`.
        train, valid: Tensors with equal first dimensions.
        label: The learning curve's name, and the checkpoint's.
        augment: `augment(*rows) -> rows`, applied to batches of `train`.
        score: Called after each epoch with the averaged weights in `module`; the lowest chooses.
        keep: Whether the last checkpoint stays, so that doing this again costs nothing: for a
            network that is trained before another.

    Raises:
        FloatingPointError: If the loss is not finite.
        ValueError: If `train` or `valid` has no rows.
    """
    for name, rows in (("train", train), ("valid", valid)):
        if not len(rows[0]):
            raise ValueError(f"{label}: {name} has 0 rows; at least 1 is needed")
    task = _Task(
        loss=loss,
        train=train,
        valid=valid,
        settings=settings,
        run=run,
        label=label,
        augment=augment,
        score=score,
        processes=processes.start(run.device, run.devices),
    )
    module.to(task.device)
    state = _begin(module, settings)
    with threads(1 if all(rows.ndim <= VECTORS for rows in train) else torch.get_num_threads()):
        _train(state, task, keep)
    module.load_state_dict(state.best)
    module.eval()
    return History(
        curves={label: {name: tuple(values) for name, values in state.curve.items()}},
        chosen={label: state.chosen + 1},
        seconds=state.seconds,
    )


def tensors(*arrays: Any) -> Rows:
    """Copies of arrays as float32 tensors."""
    return tuple(torch.from_numpy(np.array(array, np.float32, order="C")) for array in arrays)


def _begin(module: nn.Module, settings: Schedule) -> _State:
    optimiser = torch.optim.AdamW(
        module.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    return _State(module, optimiser, copied(module), copied(module))


def _train(state: _State, task: _Task, keep: bool) -> None:
    """Epoch after epoch, from the checkpoint where there is one, until the last."""
    run, label = task.run, task.label
    path = run.checkpoint / f"{label}.safetensors" if run.checkpoint else None
    fingerprint = task.fingerprint(state.module) if path else ""
    if path and path.exists():
        _resume(state, path, fingerprint)
    saved = time.monotonic()
    with Bar(run, label, task.settings.epochs_of(task.rows)) as advance:
        advance(state.epoch, state.curve)
        while not task.settings.finished(state.judged, task.rows):
            start = time.perf_counter()
            _epoch(state, task)
            state.seconds += time.perf_counter() - start
            advance(state.epoch, state.curve)
            if path and processes.first() and time.monotonic() - saved >= CHECKPOINT_SECONDS:
                _checkpoint(state, path, fingerprint)
                saved = time.monotonic()
    if path and processes.first():
        if keep:
            _checkpoint(state, path, fingerprint)
        else:
            path.unlink(missing_ok=True)


def _batches(rows: Rows, order: Tensor, size: int, task: _Task) -> Iterator[tuple[Rows, float]]:
    """This process's rows of every batch, and the share of the batch that they are."""
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        index = task.processes.share(batch)
        yield tuple(tensor[index].to(task.device) for tensor in rows), len(index) / len(batch)


def _epoch(state: _State, task: _Task) -> None:
    """One pass over `train`, then the validation loss of the averaged weights."""
    mean_train = _pass(state, task)
    weights = copied(state.module)
    state.module.load_state_dict(state.average)
    mean_valid = _mean_loss(state.module, task)
    _require_finite(mean_valid, f"{task.label}: the valid loss", state.epoch)
    found = {"epoch": state.epoch + 1.0, "train": mean_train, "valid": mean_valid}
    if task.score:
        found["score"] = task.processes.agreed(task.score())
    for name, value in found.items():
        state.curve.setdefault(name, []).append(value)
    if state.chosen == state.epoch:
        state.best = copied(state.module)
    state.module.load_state_dict(weights)
    state.epoch += 1


def _pass(state: _State, task: _Task) -> float:
    """One pass over `train`; the mean of the losses met on the way."""
    total, step = 0.0, state.epoch * task.steps_per_epoch
    state.module.train()
    seed = number(task.run.seed, task.label, "epoch", state.epoch)
    with torch_scope(seed):
        order = torch.randperm(task.rows)
        task.processes.part(seed)
        for rows, share in _batches(task.train, order, task.batch, task):
            state.optimiser.zero_grad()
            if share:
                losses = task.losses(task.augment(*rows) if task.augment else rows)
                batch_total = float(losses.detach().sum())
                _require_finite(batch_total, f"{task.label}: the train loss", state.epoch)
                torch.autograd.backward(losses.mean() * share)
                total += batch_total
            task.processes.add_gradients(state.module)
            _step(state, task, step)
            step += 1
    return task.processes.sum(total) / task.rows


def _step(state: _State, task: _Task, step: int) -> None:
    settings = task.settings
    for group in state.optimiser.param_groups:
        group["lr"] = settings.rate(step, state.judged, task.rows)
    nn.utils.clip_grad_norm_(state.module.parameters(), settings.clip)
    state.optimiser.step()
    average(state.average, state.module, settings.ema, step)


def _require_finite(value: float, name: str, epoch: int) -> None:
    if not math.isfinite(value):
        raise FloatingPointError(f"{name} is {value} in epoch {epoch + 1}")


@torch.no_grad()
def _mean_loss(module: nn.Module, task: _Task) -> float:
    """Mean loss of all rows of `valid`."""
    rows, total = task.valid, 0.0
    module.eval()
    seed = number(task.run.seed, task.label, "valid")
    with torch_scope(seed):
        task.processes.part(seed)
        order = torch.arange(len(rows[0]))
        for batch, share in _batches(rows, order, 4 * task.batch, task):
            if share:
                total += float(task.losses(batch).double().sum())
    return task.processes.sum(total) / len(rows[0])


def _checkpoint(state: _State, path: Path, mark: str) -> None:
    parts = {"module": state.module.state_dict(), "average": state.average, "best": state.best}
    meta = {"epoch": state.epoch, "seconds": state.seconds, "curve": state.curve}
    found = checkpoints.packed(mark, parts, {"optimiser": state.optimiser}, meta)
    storage.save_weights(path, found)


def _resume(state: _State, path: Path, mark: str) -> None:
    """Go on from the checkpoint, if it is one of this task."""
    device = next(iter(state.average.values())).device
    weights = storage.load_weights(path)
    found = checkpoints.unpacked(weights, mark, {"optimiser": state.optimiser}, device)
    if found is None:
        return
    parts, meta = found
    state.module.load_state_dict(parts["module"])
    state.average, state.best = parts["average"], parts["best"]
    state.epoch, state.curve = meta["epoch"], dict(meta["curve"])
    state.seconds = meta["seconds"]


def merge(histories: Sequence[History], **notes: Any) -> History:
    """The histories of several networks as one."""
    return History(
        curves={name: curve for h in histories for name, curve in h.curves.items()},
        chosen={name: epoch for h in histories for name, epoch in h.chosen.items()},
        seconds=sum(h.seconds for h in histories),
        notes=notes,
    )
