"""How the fits went, and how long the stages took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sbipipe import paths, storage
from sbipipe.config import Params
from sbipipe.interfaces import History, PosteriorDraws


@dataclass(frozen=True, kw_only=True)
class Learning:
    """The learning curves of one entry of `params.yaml`.

    Attributes:
        entry: The name of the entry.
        curves: The columns "epoch", "train" and "valid", by network.
        chosen: The epoch whose weights were kept, by network.
        notes: Figures that belong beside the curves, by name.
    """

    entry: str
    curves: Mapping[str, Mapping[str, tuple[float, ...]]]
    chosen: Mapping[str, int]
    notes: Mapping[str, Any]

    @property
    def memorised(self) -> dict[str, float]:
        """By how much each network fits what it was trained on better than what it was not, in its
        loss at the epoch that was kept; nothing where the fit has measured it (`memorisation`)."""
        if "memorisation" in self.notes:
            return {}
        kept = {
            name: curve["epoch"].index(self.chosen[name])
            for name, curve in self.curves.items()
            if name in self.chosen and self.chosen[name] in curve["epoch"]
        }
        return {
            name: self.curves[name]["valid"][place] - self.curves[name]["train"][place]
            for name, place in kept.items()
        }


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How long a stage took.

    Attributes:
        stage: The name of the stage.
        entry: The name of the entry of `params.yaml`.
        seconds: The wall time.
    """

    stage: str
    entry: str
    seconds: float


def histories(params: Params) -> dict[tuple[str, str], History]:
    """The histories of the stages, by section and entry of `params.yaml`."""
    entries = [(section, name) for section, names in params.recorded.items() for name in names]
    return {entry: storage.load_history(paths.history_path(*entry)) for entry in entries}


def learning(found: Mapping[tuple[str, str], History]) -> tuple[Learning, ...]:
    """The learning curves of the entries that learned anything."""
    return tuple(
        Learning(entry=name, curves=one.curves, chosen=one.chosen, notes=one.notes)
        for (_, name), one in found.items()
        if one.curves
    )


def stages(
    found: Mapping[tuple[str, str], History], draws: Mapping[str, PosteriorDraws]
) -> Iterator[Stage]:
    """The times of the stages that have one for each entry."""
    for (section, name), history in found.items():
        yield Stage(stage=section, entry=name, seconds=history.seconds)
    for name, drawn in draws.items():
        yield Stage(stage="draw", entry=name, seconds=drawn.seconds * len(drawn.theta))
