"""Which network? Several are tried for a while, the best are trained to the end.

Successive halving (Jamieson & Talwalkar 2016, arXiv:1502.07943): every candidate takes a few steps
of the optimiser, the better half takes three times as many, and so on until as few are left as are
wanted. What compares them is the validation loss. The finalists begin anew and train to their end,
each as several members side by side; `stacking_weights` then says how much of each the ensemble
needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

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


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network that may be the right one.

    Attributes:
        build: A new network of this shape.
        stacked: Whether several can be called as one.
    """

    build: Build
    stacked: bool


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

    @property
    def loss(self) -> float:
        """The least validation loss of a finalist's members together."""
        return min(min(curve["valid"]) for curve in self.history.curves.values())

    def with_weights(self, weights: Array) -> History:
        """The history, with the networks' weights in their ensemble."""
        return replace(self.history, notes={**self.history.notes, "weights": weights.tolist()})


def fit(
    candidates: Mapping[str, Candidate],
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
        candidates: The networks to choose from, by name.
        finalists: How many of them are trained to the end.
        members: How many networks of each finalist.
    """

    def trained(name: str, schedule: Annealed, size: int, trial: int) -> tuple[Any, History]:
        label = f"{name} trial {trial}" if trial else name
        own = replace(run, seed=number(run.seed, label))
        one = candidates[name]
        module = together(one.build, size, own.seed, stacked=one.stacked)
        arguments = (train, valid, schedule, own, label, augment)
        return module, optimise(module, module.loss, *arguments, keep=True)

    left, tried, seconds = list(candidates), {}, 0.0
    rung = 1
    while len(left) > finalists:
        schedule = replace(settings, steps=min(RUNG * GROWTH ** (rung - 1), settings.steps))
        for name in left:
            history = trained(name, schedule, 1, rung)[1]
            tried[name] = min(history.curves[f"{name} trial {rung}"]["valid"])
            seconds += history.seconds
        left = sorted(left, key=tried.__getitem__)[: max(finalists, len(left) // 2)]
        rung += 1
    ends = {name: trained(name, settings, members, 0) for name in left}
    history = merge([history for _, history in ends.values()])
    return Fitted(
        names=tuple(name for name in ends for _ in range(members)),
        networks=tuple(network for module, _ in ends.values() for network in module.apart()),
        history=replace(history, seconds=history.seconds + seconds, notes={"tried": tried}),
    )


__all__ = ["Candidate", "Effort", "Fitted", "fit"]
