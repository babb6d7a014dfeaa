"""Fields that an emulator drew beside true ones at the same theta: how they are chosen and kept.

**Held out.** Some test simulations, spread over the prior: the nearest to a scrambled Sobol
sequence in the unit cube. Their own fields are the truth where one simulation gives enough; else
the simulator runs again at their theta. Wherever there is a simulator it also runs for a control,
true fields of other seeds at the same theta, which are what a perfect emulator would have drawn.

**Response.** One parameter at a time is moved from the middle of the prior, in quantiles, as in the
"1P" sets of CAMELS (Villaescusa-Navarro et al. 2021). All theta of one row share the emulator's
noise or the simulator's phases, so that what differs is theta's doing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np

from sbipipe import storage
from sbipipe.emulation.chi_squared import FEWEST
from sbipipe.emulation.drawing import Drawn
from sbipipe.emulation.truth import TrueResponse, Truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import (
    Array,
    Dataset,
    Emulator,
    Fields,
    Generator,
    Geometry,
    Index,
    InputError,
    Prior,
    Simulator,
    Vectors,
    Weights,
)
from sbipipe.seeds import stream

THETAS, DRAWN, TRUE = 10, 50, 15
"""Held-out theta, emulated fields and true fields at each: the numbers of Mudur et al. 2023."""

QUANTILES = (0.1, 0.3, 0.7, 0.9)
"""Of the prior, to which each parameter is moved."""

VARIED = 6
"""Parameters that are moved, at most."""

EACH = 3
"""Fields kept of one simulation where a set is simulated: those of one box are not independent."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """Fields with one parameter varied; the first theta is the fiducial one.

    Attributes:
        theta: With shape (V, D).
        generated: One noise a row, with shape (R, V, C, *space).
        true: `each` rows from one simulation, with shape (S * each, V, C, *space); None where
            there is no simulator.
        control: The same from other seeds.
        each: Rows that share their phases.
    """

    theta: Array
    generated: Array
    true: Array | None = None
    control: Array | None = None
    each: int = 1


@dataclass(frozen=True, kw_only=True)
class Emulated:
    """An emulator's fields, and true ones.

    Attributes:
        simulator: Its name.
        parameters: Names of the D parameters.
        quantity: What a pixel holds.
        box: Side [Mpc/h], where the simulator has one.
        theta: Of the held-out simulations, with shape (T, D).
        true: With shape (T, n, C, *space).
        generated: With shape (T, m, C, *space).
        control: True fields of other simulations, with shape (T, c, C, *space).
        failed: Simulations that failed and were replaced by others.
    """

    simulator: str
    parameters: tuple[str, ...]
    quantity: str
    box: float | None
    theta: Array
    true: Array
    generated: Array
    control: Array | None
    response: Response
    failed: int = 0


def apart(found: Emulated) -> tuple[Truth, Drawn]:
    """The true fields, and the emulator's."""
    response = None
    if found.response.true is not None and found.response.control is not None:
        response = TrueResponse(
            true=found.response.true, control=found.response.control, each=found.response.each
        )
    channels = tuple(f"channel {c}" for c in range(found.true.shape[2]))
    geometry = Geometry(pixels=found.true.shape[3:], box=found.box)
    truth = Truth(
        simulator=found.simulator,
        parameters=found.parameters,
        data=Fields(geometry=geometry, channels=channels, quantity=found.quantity),
        theta=found.theta,
        true=found.true,
        control=found.control,
        varied=found.response.theta,
        response=response,
        failed=found.failed,
    )
    return truth, Drawn(generated=found.generated, response=found.response.generated)


# What is chosen


def spread(theta: Array, prior: Prior, count: int, rng: Generator) -> Index:
    """Rows of theta (S, D) nearest to an even cover of the prior, each taken once."""
    from scipy.stats import qmc  # slow to import, and most runs of this module choose nothing

    q = prior.to_unit(theta)
    count = min(count, len(q))
    sobol = qmc.Sobol(q.shape[1], scramble=True, rng=rng)
    chosen: list[int] = []
    for target in sobol.random_base2(max(count - 1, 1).bit_length())[:count]:
        distance = ((q - target) ** 2).sum(1)
        distance[chosen] = np.inf
        chosen.append(int(distance.argmin()))
    return np.array(chosen)


def held_out(rows: Dataset, prior: Prior, rng: Generator) -> tuple[Array, Array]:
    """Theta (T, D) of simulations spread over the prior, and their fields (T, n, C, *space).

    n is what the T simulations with the most fields have at least.
    """
    names, first, counts = np.unique(rows.group, return_index=True, return_counts=True)
    n = min(int(np.sort(counts)[::-1][: min(THETAS, len(counts))].min()), DRAWN)
    names, first = names[counts >= n], first[counts >= n]
    chosen = spread(rows.theta[first], prior, THETAS, rng)
    x = np.stack([rows.x[rows.group == names[i]][:n] for i in chosen])
    return rows.theta[first][chosen], x


def one_at_a_time(prior: Prior) -> Array:
    """The fiducial theta, then those with one parameter moved, with shape (V, D)."""
    D = len(prior.names)
    q = np.full((1 + min(D, VARIED) * len(QUANTILES), D), 0.5)
    for row, (i, quantile) in enumerate(itertools.product(range(min(D, VARIED)), QUANTILES), 1):
        q[row, i] = quantile
    return prior.from_unit(q)


# What is drawn


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
    kept = _kept(simulator)
    needed = -(-TRUE // len(kept))
    done: list[Array] = []
    failed: list[str] = []
    for number in itertools.count():
        if len(failed) > needed:
            raise InputError(f"simulating {labels[0]}: {len(failed)} seeds failed: {failed[-1]}")
        try:
            done.append(_row(simulator, theta, kept, stream(root, *labels, number)))
        except (ArithmeticError, ValueError, RuntimeError) as error:
            failed.append(f"{type(error).__name__}: {error}")
        if len(done) == needed:
            break
    return np.concatenate(done), len(failed)


def _row(simulator: Simulator, theta: Array, kept: Index, rng: Generator) -> Array:
    """Fields of one seed at every theta, with shape (each, V, C, *space)."""
    state = rng.bit_generator.state
    fields = []
    for one in theta:
        rng.bit_generator.state = state
        fields.append(simulator.simulate(one[None], rng)[kept])
    found = np.stack(fields, 1)
    if not np.isfinite(found).all():
        raise ArithmeticError("the fields are not finite")
    return found


def _kept(simulator: Simulator) -> Index:
    """Fields of one simulation that are kept, far from each other."""
    return np.linspace(0, simulator.maps, min(simulator.maps, EACH), endpoint=False).astype(int)


def draw(emulator: Emulator, theta: Array, count: int, rng: Generator) -> Array:
    """`count` fields at each theta, with shape (T, count, C, *space)."""
    drawn = emulator.emulate(np.repeat(theta, count, 0), rng)
    return drawn.reshape(len(theta), count, *drawn.shape[1:])


def respond(
    emulator: Emulator, simulator: Simulator | None, of: str, name: str, prior: Prior, root: int
) -> tuple[Response, int]:
    """The response of an emulator `name`, and of its simulator `of` where there is one."""
    theta = one_at_a_time(prior)
    rows = [
        emulator.emulate(theta, stream(root, "emulate", name, "response", i), same_noise=True)
        for i in range(TRUE)
    ]
    if simulator is None:
        return Response(theta=theta, generated=np.stack(rows)), 0
    labels = [("emulate", of, "response"), ("emulate", of, "response control")]
    (true, failed), (control, again) = _each(simulator, [theta, theta], root, labels)
    each = len(_kept(simulator))
    response = Response(
        theta=theta, generated=np.stack(rows), true=true, control=control, each=each
    )
    return response, failed + again


def emulate(
    emulator: Emulator,
    simulator: object,
    prior: Prior,
    test: Dataset,
    of: str,
    name: str,
    root: int,
) -> Emulated | Unchecked:
    """Everything that is drawn for one emulator.

    Args:
        simulator: What made `test`; run again where it is a `Simulator`.
        test: Held-out fields.
        of: The simulator's name.
        name: The emulator's.
        root: Seed of the run.
    """
    if isinstance(test.data, Vectors):
        return Unchecked(f"{of} gives vectors, not fields")
    runs = simulator if isinstance(simulator, Simulator) else None
    theta, true = held_out(test, prior, stream(root, "emulate", of, "held out"))
    failed, control = 0, None
    if runs and runs.maps < TRUE:
        true, failed = _at_each(runs, theta, root, of, "true")
    if true.shape[1] < FEWEST:
        few = "one field" if true.shape[1] == 1 else f"{true.shape[1]} fields"
        return Unchecked(f"simulations of {of} have {few} each; it takes {FEWEST} at one theta")
    if runs:
        control, again = _at_each(runs, theta, root, of, "control")
        failed += again
    response, again = respond(emulator, runs, of, name, prior, root)
    return Emulated(
        simulator=of,
        parameters=prior.names,
        quantity=test.data.quantity,
        box=test.data.geometry.box,
        theta=theta,
        true=true,
        generated=draw(emulator, theta, DRAWN, stream(root, "emulate", name, "held out")),
        control=control,
        response=response,
        failed=failed + again,
    )


def _at_each(
    simulator: Simulator, theta: Array, root: int, of: str, what: str
) -> tuple[Array, int]:
    """True fields of seeds of their own at every theta, (T, n, C, *space), and failures."""
    labels = [("emulate", of, what, t) for t in range(len(theta))]
    found = _each(simulator, list(theta[:, None]), root, labels)
    return np.stack([fields[:, 0] for fields, _ in found]), sum(failed for _, failed in found)


def _each(
    simulator: Simulator, thetas: list[Array], root: int, labels: Sequence[tuple[str | int, ...]]
) -> list[tuple[Array, int]]:
    """`simulated` for every theta and its labels, in parallel."""
    calls = zip(thetas, labels, strict=True)
    found: list[tuple[Array, int]] = joblib.Parallel()(
        joblib.delayed(simulated)(simulator, theta, root, *words) for theta, words in calls
    )
    return found


# How it is kept


def save(path: Path, found: Emulated | Unchecked) -> None:
    """Write what was drawn as single-precision arrays, whole."""
    if isinstance(found, Unchecked):
        storage.save_weights(path, Weights(meta={"unchecked": found.why}))
        return
    arrays = {name: getattr(found, name) for name in ("theta", "true", "generated", "control")}
    response = {
        f"response/{name}": getattr(found.response, name)
        for name in ("theta", "true", "generated", "control")
    }
    kept = {
        name: value if name.endswith("theta") else np.asarray(value, np.float32)
        for name, value in {**arrays, **response}.items()
        if value is not None
    }
    plain = ("simulator", "parameters", "quantity", "box", "failed")
    meta = {name: getattr(found, name) for name in plain} | {"each": found.response.each}
    storage.save_weights(path, Weights(arrays=kept, meta=meta))


def load(path: Path) -> Emulated | Unchecked:
    """Read what `save` wrote."""
    weights = storage.load_weights(path)
    meta, arrays = weights.meta, weights.arrays
    if "unchecked" in meta:
        return Unchecked(meta["unchecked"])
    return Emulated(
        simulator=meta["simulator"],
        parameters=tuple(meta["parameters"]),
        quantity=meta["quantity"],
        box=meta["box"],
        failed=meta["failed"],
        theta=arrays["theta"],
        true=arrays["true"],
        generated=arrays["generated"],
        control=arrays.get("control"),
        response=Response(
            theta=arrays["response/theta"],
            generated=arrays["response/generated"],
            true=arrays.get("response/true"),
            control=arrays.get("response/control"),
            each=meta["each"],
        ),
    )
