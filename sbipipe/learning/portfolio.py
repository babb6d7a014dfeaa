"""Which network? Several are tried for a while, the best are trained to the end.

Successive halving (Jamieson & Talwalkar 2016, arXiv:1502.07943): every candidate takes a few steps
of the optimiser, the better half takes three times as many, and so on until as few are left as are
wanted. What compares them is the validation loss; of those that it cannot tell apart, the first of
the portfolio are taken. The finalists begin anew and train to their end, each as several members
side by side; `stacking_weights` then says how much of each the ensemble needs.

Trials are too short to show what a network learns by heart,

    g = E_valid loss - E_train loss,

of a member once it is trained. Where that is more than `BY_HEART` nats for each component of what
the network says something about, half as wide networks join the ensemble: they remember less, and
err elsewhere, so that the mixture is better, and less sure of itself, than either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, History, Run
from sbipipe.learning.members import Build, together
from sbipipe.learning.schedules import Annealed
from sbipipe.learning.training import Rows, merge, optimise
from sbipipe.seeds import number

Effort = Literal["quick", "standard", "thorough"]
"""How much is tried: the first of a portfolio alone, its first few, or all of it."""

RUNG = 200
"""The steps of the first round of trials."""

GROWTH = 3
"""The steps of a round over those of the one before."""

APART = 0.02
"""Nats a row by which one trial must be better than another, for the order of the portfolio not to
decide."""

BY_HEART = 0.2
"""Nats a row, for each component, that a network may know its training rows better than others."""

COMPARED = 2_000
"""Rows by which that is found."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network that may be the right one.

    Attributes:
        name: Its shape.
        build: A new network of this shape.
        stacked: Whether several can be called as one.
        smaller: One that remembers less; None where there is none.
    """

    name: str
    build: Build
    stacked: bool
    smaller: Candidate | None = None


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Trained networks.

    Attributes:
        names: The name of each network's candidate.
        networks: The networks, in evaluation mode.
        history: The learning curves of the finalists, and the validation losses of all that was
            tried (`tried`).
    """

    names: tuple[str, ...]
    networks: tuple[Any, ...]
    history: History

    def with_weights(self, weights: Array) -> History:
        """The history, with the networks' weights in their ensemble."""
        return replace(self.history, notes={**self.history.notes, "weights": weights.tolist()})


def fit(
    candidates: Sequence[Candidate],
    train: Rows,
    valid: Rows,
    *,
    finalists: int,
    members: int,
    settings: Annealed,
    run: Run,
    augment: Callable[..., Rows] | None = None,
) -> Fitted:
    """The best of the candidates, trained to the end.

    Args:
        candidates: The networks to choose from.
        train, valid: Rows, whose first tensors (N, D) are what the networks say something about.
        finalists: How many of them are trained to the end.
        members: How many networks of each finalist.
    """

    def trained(
        one: Candidate, schedule: Annealed, size: int, trial: int = 0
    ) -> tuple[Any, History]:
        label = f"{one.name} trial {trial}" if trial else one.name
        own = replace(run, seed=number(run.seed, label))
        module = together(one.build, size, own.seed, stacked=one.stacked)
        arguments = (train, valid, schedule, own, label, augment)
        return module, optimise(module, module.loss, *arguments, keep=True)

    left, tried, seconds = list(candidates), {}, 0.0
    rung = 1
    while len(left) > finalists:
        schedule = replace(settings, steps=min(RUNG * GROWTH ** (rung - 1), settings.steps))
        for one in left:
            history = trained(one, schedule, 1, rung)[1]
            tried[one.name] = min(history.curves[f"{one.name} trial {rung}"]["valid"])
            seconds += history.seconds
        left = _best(left, tried, max(finalists, len(left) // 2))
        rung += 1
    found: dict[str, tuple[tuple[Any, ...], History]] = {}
    for one in left:
        module, history = trained(one, settings, members)
        found[one.name] = module.apart(), history
        less = one.smaller
        if less and _by_heart(found[one.name][0], train, valid) > BY_HEART * train[0].shape[1]:
            module, history = trained(less, settings, members)
            found[less.name] = module.apart(), history
    history = merge([history for _, history in found.values()])
    return Fitted(
        names=tuple(name for name, (networks, _) in found.items() for _ in networks),
        networks=tuple(network for networks, _ in found.values() for network in networks),
        history=replace(history, seconds=history.seconds + seconds, notes={"tried": tried}),
    )


def _best(
    candidates: Sequence[Candidate], losses: Mapping[str, float], count: int
) -> list[Candidate]:
    """So many of them, in their order: each time the first that is as good as the best of the
    rest."""
    left = list(candidates)
    found: list[Candidate] = []
    while len(found) < count:
        least = min(losses[one.name] for one in left)
        found.append(next(one for one in left if losses[one.name] <= least + APART))
        left.remove(found[-1])
    return [one for one in candidates if one in found]


@torch.no_grad()
def _by_heart(networks: Sequence[Any], train: Rows, valid: Rows) -> float:
    """By how much the mean loss of networks is less on rows that they were trained on."""

    def loss(rows: Rows) -> float:
        chosen = evenly(len(rows[0]), COMPARED)
        device = next(networks[0].parameters()).device
        some: list[Tensor] = [tensor[chosen].to(device) for tensor in rows]
        return sum(float(network.loss(*some).mean()) for network in networks) / len(networks)

    return loss(valid) - loss(train)


__all__ = ["Candidate", "Effort", "Fitted", "fit"]
