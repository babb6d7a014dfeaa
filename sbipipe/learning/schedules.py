"""How a network is trained: the size of its steps, their rate, and their end.

Two ways, for two prices of an epoch. Where it is dear (networks of fields), the number of epochs is
known beforehand, and the rate falls as a cosine towards the last (`Cosine`); few rows are seen more
often, in smaller batches, so that they are learned in as many steps as many rows are. Where it is
cheap (densities and ratios of vectors), training finds its own end (`Annealed`): the rate stays
until the validation loss has stalled for some number of *steps*, and falls; where a fall has not
paid either, training ends. Batches grow as sqrt(N), as the noise of a validation loss falls; so the
same settings serve a thousand rows, which end early, and a million, which need few epochs.

Rate and end are functions of the step and the learning curve alone, which a checkpoint knows.
torch's ReduceLROnPlateau, LambdaLR and AveragedModel count steps of their own, which would have to
be saved and set back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from sbipipe.learning.precision import Precision
from sbipipe.records import Positive, plugin

STEPS = 1_800
"""The steps in which a network of fields learns what there is to learn, where nobody says more."""


@plugin
class Cosine:
    """A given number of epochs, with a rate that falls to zero.

    Attributes:
        epochs: The largest number of epochs, where the cosine decay ends; None takes 20, or as many
            as make 1,800 steps.
        patience: The epochs without a better validation loss before training stops.
        batch: The rows in a batch; None takes the power of two below N / 60, from 16 to 128.
        learning_rate: The rate at its peak.
        weight_decay: The decay of AdamW.
        warm_up: The share of all steps over which the learning rate rises.
        clip: The largest norm of the gradient.
        ema: The decay of the moving average per step; 0 keeps the weights themselves.
        precision: "bf16" multiplies matrices and convolves in bfloat16; weights, and the mean of
            the losses, stay in float32. Faster only where the hardware has it.
    """

    epochs: Positive | None = 60
    patience: Positive = 15
    batch: Positive | None = 256
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05
    clip: Annotated[float, Field(gt=0)] = 5.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Precision = "float32"

    def batch_of(self, rows: int) -> int:
        """The size of the batches of so many rows."""
        return self.batch or min(max(2 ** int(math.log2(max(rows / 60, 1))), 16), 128)

    def epochs_of(self, rows: int) -> int:
        """The largest number of epochs over so many rows."""
        return self.epochs or max(20, math.ceil(STEPS / steps_per_epoch(self, rows)))

    def rate(self, step: int, losses: Sequence[float], rows: int) -> float:
        """The learning rate of a step after epochs with these validation losses."""
        steps = self.epochs_of(rows) * steps_per_epoch(self, rows)
        warm = max(1, round(self.warm_up * steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))

    def finished(self, losses: Sequence[float], rows: int) -> bool:
        """Whether the epochs with these validation losses, or scores, were enough."""
        if len(losses) >= self.epochs_of(rows):
            return True
        return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= self.patience


@plugin
class Annealed:
    """As many steps as pay, with a rate that falls whenever they no longer do.

    Attributes:
        steps: The largest number of steps of the optimiser.
        patience: The steps without a validation loss better by `tolerance` before the rate falls.
        tolerance: The least gain in the validation loss that pays, in nats a row.
        factor: The ratio of the rates after and before a fall.
        batch: The rows in a batch; None takes the power of two below 3 sqrt(N), from 64 to 1,024.
        learning_rate: The rate at its highest.
        warm_up: The number of steps over which the rate rises.
        weight_decay: The decay of AdamW.
        clip: The largest norm of the gradient.
        ema: The decay of the moving average per step; 0 keeps the weights themselves.
    """

    steps: Positive = 20_000
    patience: Positive = 400
    tolerance: Annotated[float, Field(ge=0)] = 0.02
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.3
    batch: Positive | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    warm_up: Positive = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(gt=0)] = 5.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.99

    precision: ClassVar[Precision] = "float32"

    def batch_of(self, rows: int) -> int:
        """The size of the batches of so many rows."""
        return self.batch or min(max(2 ** int(math.log2(3 * math.sqrt(rows))), 64), 1024)

    def epochs_of(self, rows: int) -> int:
        """The largest number of epochs over so many rows."""
        return math.ceil(self.steps / steps_per_epoch(self, rows))

    def rate(self, step: int, losses: Sequence[float], rows: int) -> float:
        """The learning rate of a step after epochs with these validation losses."""
        falls = self.stalls(losses, rows)[0]
        return self.learning_rate * self.factor**falls * min(1.0, (step + 1) / self.warm_up)

    def finished(self, losses: Sequence[float], rows: int) -> bool:
        """Whether the epochs with these validation losses were enough."""
        return len(losses) >= self.epochs_of(rows) or self.stalls(losses, rows)[1] > 1

    def stalls(self, losses: Sequence[float], rows: int) -> tuple[int, int]:
        """How often the validation loss gained too little for as long as `patience`: in all, and
        at the end without a gain between."""
        least, since, found, last = math.inf, 0, 0, 0
        patience = math.ceil(self.patience / steps_per_epoch(self, rows))
        for loss in losses:
            gained = loss < least - self.tolerance
            least, since, last = (loss, 0, 0) if gained else (least, since + 1, last)
            if since == patience:
                found, since, last = found + 1, 0, last + 1
        return found, last


Schedule = Cosine | Annealed

MOVED: dict[str, Any] = {"epochs": "steps: the largest number of steps of the optimiser"}
"""Keys that the schedule of a density or a ratio had before it found its own end."""


def steps_per_epoch(schedule: Schedule, rows: int) -> int:
    """The batches that so many rows make, the last of which may be smaller."""
    return math.ceil(rows / schedule.batch_of(rows))


__all__ = ["MOVED", "Annealed", "Cosine", "Schedule", "steps_per_epoch"]
