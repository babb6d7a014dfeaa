"""True fields, simulated at given parameters from seeds of their own.

Seeds that fail are replaced by others and counted. All theta of one row share the simulator's
phases, so that what differs is theta's doing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import joblib
import numpy as np

from sbipipe.interfaces import Array, Generator, Index
from sbipipe.protocols import Simulator
from sbipipe.records import InputError
from sbipipe.seeds import stream

TRUE = 15
"""True fields at each held-out theta: the number of Mudur et al. 2023."""

EACH = 3
"""Fields kept of one simulation where a set is simulated: those of one box are not independent."""

RETRIES = 10
"""Seeds that may fail at one theta where a single field is simulated."""


def simulated(
    simulator: Simulator, theta: Array, root: int, *labels: str | int
) -> tuple[Array, int]:
    """At least `TRUE` true fields at every theta, and how many seeds failed on the way.

    Args:
        theta: With shape (V, D); all grow from the same seeds.
        labels: Name of their streams.

    Returns:
        Fields with shape (S * each, V, C, *space), `each` of one seed following each other.

    Raises:
        InputError: If more seeds fail than are needed.
    """
    rows = kept(simulator)
    needed = -(-TRUE // len(rows))
    return _seeds(simulator, theta, rows, needed, needed, root, labels)


def _seeds(
    simulator: Simulator,
    theta: Array,
    rows: Index,
    needed: int,
    most: int,
    root: int,
    labels: tuple[str | int, ...],
) -> tuple[Array, int]:
    """Fields of the first seeds that do not fail, (needed * rows, V, C, *space), and how many did.

    Args:
        most: Seeds that may fail.
    """
    done: list[Array] = []
    failed: list[str] = []
    for number in itertools.count():
        _stop(failed, most, labels)
        found = _attempt(simulator, theta, rows, root, labels, number)
        if isinstance(found, str):
            failed.append(found)
        else:
            done.append(found)
        if len(done) == needed:
            break
    return np.concatenate(done), len(failed)


def simulated_for_each(
    simulator: Simulator, thetas: list[Array], root: int, labels: Sequence[tuple[str | int, ...]]
) -> list[tuple[Array, int]]:
    """`simulated` for every theta and its labels, in parallel."""
    calls = zip(thetas, labels, strict=True)
    found: list[tuple[Array, int]] = joblib.Parallel()(
        joblib.delayed(simulated)(simulator, theta, root, *words) for theta, words in calls
    )
    return found


def simulations(
    simulator: Simulator, theta: Array, count: int, rows: Index, root: int, *labels: str | int
) -> tuple[Array, int]:
    """Fields of `count` seeds at one theta (D,), (count, rows, C, *space), in parallel, and how
    many seeds failed on the way.

    Args:
        rows: The fields that are kept of each seed.

    Raises:
        InputError: If more seeds fail than are needed.
    """
    done: list[Array] = []
    failed: list[str] = []
    while len(done) < count:
        _stop(failed, count, labels)
        first = len(done) + len(failed)
        found = joblib.Parallel()(
            joblib.delayed(_attempt)(simulator, theta[None], rows, root, labels, number)
            for number in range(first, first + count - len(done))
        )
        done += [one[:, 0] for one in found if not isinstance(one, str)]
        failed += [one for one in found if isinstance(one, str)]
    return np.stack(done), len(failed)


def one_at_each(
    simulator: Simulator, theta: Array, root: int, *labels: str | int
) -> tuple[Array, int]:
    """A field of a simulation of its own at each theta (N, D), (N, C, *space), in parallel, and how
    many seeds failed on the way.

    Raises:
        InputError: If more than `RETRIES` seeds fail at one theta.
    """
    first = apart(simulator.maps, 1)
    found: list[tuple[Array, int]] = joblib.Parallel()(
        joblib.delayed(_seeds)(simulator, one[None], first, 1, RETRIES, root, (*labels, i))
        for i, one in enumerate(theta)
    )
    return np.concatenate([done[:, 0] for done, _ in found]), sum(failed for _, failed in found)


def kept(simulator: Simulator) -> Index:
    """Fields of one simulation that are kept, far from each other."""
    return apart(simulator.maps, EACH)


def apart(number: int, most: int) -> Index:
    """At most so many of a number of rows in a circle, far from each other."""
    return np.linspace(0, number, min(number, most), endpoint=False).astype(int)


def _stop(failed: list[str], needed: int, labels: tuple[str | int, ...]) -> None:
    """Raise InputError where more seeds failed than are needed."""
    if len(failed) > needed:
        raise InputError(f"simulating {labels[0]}: {len(failed)} seeds failed: {failed[-1]}")


def _attempt(
    simulator: Simulator,
    theta: Array,
    rows: Index,
    root: int,
    labels: tuple[str | int, ...],
    number: int,
) -> Array | str:
    """Fields of one seed at every theta, or why it failed."""
    try:
        return _row(simulator, theta, rows, stream(root, *labels, number))
    except (ArithmeticError, ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"


def _row(simulator: Simulator, theta: Array, rows: Index, rng: Generator) -> Array:
    """Fields of one seed at every theta, with shape (rows, V, C, *space)."""
    state = rng.bit_generator.state
    fields = []
    for one in theta:
        rng.bit_generator.state = state
        fields.append(simulator.simulate(one[None], rng)[rows])
    found = np.stack(fields, 1)
    if not np.isfinite(found).all():
        raise ArithmeticError("the fields are not finite")
    return found


__all__ = [
    "EACH",
    "TRUE",
    "apart",
    "kept",
    "one_at_each",
    "simulated",
    "simulated_for_each",
    "simulations",
]
