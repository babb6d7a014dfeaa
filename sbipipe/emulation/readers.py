"""Which estimators can be asked about an emulator's fields, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sbipipe.config import Imitate, Join, Made, Params
from sbipipe.interfaces import Data, Fields


@dataclass(frozen=True, kw_only=True)
class Readers:
    """The published estimators of an emulator's simulator.

    Attributes:
        names: Those that can be asked.
        left_out: What the others do that keeps them from it, by name.
    """

    names: tuple[str, ...]
    left_out: Mapping[str, str]


def readers(params: Params, simulator: str, published: Mapping[str, bool]) -> Readers:
    """Of the estimators of a simulator.

    Args:
        published: Whether each estimator is, by name.
    """
    out = [name for name in params.tested_on.get(simulator, ()) if published[name]]
    scored = {
        name: sorted({of for of in sets_behind(params, name) if of in params.emulate})
        for name in out
    }
    return Readers(
        names=tuple(name for name in out if not scored[name]),
        left_out={
            name: f"reads surfaces, for which {' and '.join(of)} would have to score every field"
            for name, of in scored.items()
            if of
        },
    )


def obstacle(asked: int, found: Readers, drawn: Data, read: Data, simulator: str) -> str:
    """Why no estimator can be asked, as a clause; empty where one can.

    Args:
        asked: The number of posteriors that are asked for.
        drawn: What the emulator draws.
        read: What estimators of the simulator read.
    """
    if not asked:
        return "none was asked for (judge.posteriors is 0)"
    if drawn.shape != read.shape:
        given, allowed = (" x ".join(map(str, pixels(one))) for one in (drawn, read))
        return f"its fields have {given} pixels, and estimators of {simulator} read {allowed}"
    if not found.names:
        others = "; ".join(f"{name} {why}" for name, why in found.left_out.items())
        return others or f"no posterior of {simulator} is published"
    return ""


def pixels(data: Data) -> tuple[int, ...]:
    """Of a field along each axis, or the length of a vector."""
    return data.geometry.pixels if isinstance(data, Fields) else data.shape


def learned_from(params: Params, estimator: str, emulator: str) -> bool:
    """Whether an estimator has learned from fields of an emulator."""
    sets = sets_behind(params, estimator)
    return any(params.imitate[of].by == emulator for of in sets if of in params.imitate)


def sets_behind(params: Params, estimator: str) -> Iterator[str]:
    """The sets that an estimator and those that it mends are made of."""
    yield from _behind(params, params.set_of(estimator))
    for one in params.mends(estimator):
        yield from sets_behind(params, one)


def _behind(params: Params, of: str) -> Iterator[str]:
    yield of
    if of in params.join:
        yield from _behind(params, params.join[of].beside)
    made: Mapping[str, Made | Join | Imitate]
    made = {**params.summarise, **params.join, **params.imitate}
    if of in made:
        yield from _behind(params, made[of].of)


__all__ = ["Readers", "learned_from", "obstacle", "readers", "sets_behind"]
