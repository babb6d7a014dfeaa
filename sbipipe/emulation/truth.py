"""True fields at held-out parameters, beside which emulated ones are set.

**Held out.** Some test simulations, spread over the prior: the nearest to a scrambled Sobol
sequence in the unit cube. Their own fields are the truth where one simulation gives enough; else
the simulator runs again at their theta. Wherever there is a simulator it also runs for a control,
true fields of other seeds at the same theta, which are what a perfect emulator would have drawn.

**Response.** One parameter at a time is moved from the middle of the prior, in quantiles, as in the
"1P" sets of CAMELS (Villaescusa-Navarro et al. 2021). All theta of one row share the simulator's
phases, so that what differs is theta's doing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np

from sbipipe import storage
from sbipipe.emulation.chi_squared import FEWEST
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import Array, Dataset, Fields, Generator, Index, Weights
from sbipipe.physics.fields import average
from sbipipe.protocols import Prior, Simulator
from sbipipe.records import InputError
from sbipipe.seeds import stream

THETAS, DRAWN, TRUE = 10, 50, 15
"""Held-out theta, emulated fields and true fields at each: the numbers of Mudur et al. 2023."""

QUANTILES = (0.1, 0.3, 0.7, 0.9)
"""Quantiles of the prior to which each parameter is moved."""

VARIED = 6
"""Parameters that are moved, at most."""

EACH = 3
"""Fields kept of one simulation where a set is simulated: those of one box are not independent."""


@dataclass(frozen=True, kw_only=True)
class TrueResponse:
    """True fields with one parameter varied; the first theta is the fiducial one.

    Attributes:
        true: Fields with shape (S * each, V, C, *space), `each` rows from one simulation.
        control: The same from other seeds.
        each: The number of rows that share their phases.
    """

    true: Array
    control: Array
    each: int


@dataclass(frozen=True, kw_only=True)
class Truth:
    """True fields of one simulator.

    Attributes:
        simulator: The simulator's name.
        parameters: Names of the D parameters.
        data: What the fields are.
        theta: Parameters of the held-out simulations, with shape (T, D).
        true: Fields with shape (T, n, C, *space).
        control: True fields of other simulations, with shape (T, c, C, *space); None where there is
            no simulator to ask.
        varied: The fiducial theta and those with one parameter moved, with shape (V, D).
        response: True fields at `varied`; None where there is no simulator to ask.
        failed: The number of simulations that failed and were replaced by others.
    """

    simulator: str
    parameters: tuple[str, ...]
    data: Fields
    theta: Array
    true: Array
    control: Array | None
    varied: Array
    response: TrueResponse | None
    failed: int = 0

    def like(self, drawn: Fields) -> Truth:
        """The same fields on the grid of these, which may be coarser: pixels are averaged."""
        cells = self.data.geometry.pixels[0] // drawn.geometry.pixels[0]
        if cells <= 1:
            return self
        response = self.response and replace(
            self.response,
            true=_blocks(self.response.true, cells),
            control=_blocks(self.response.control, cells),
        )
        return replace(
            self,
            data=replace(self.data, geometry=self.data.geometry.coarser(cells)),
            true=_blocks(self.true, cells),
            control=None if self.control is None else _blocks(self.control, cells),
            response=response,
        )


def _blocks(x: Array, cells: int) -> Array:
    """Averages of fields (A, B, C, *space)."""
    return average(x.reshape(-1, *x.shape[2:]), cells).reshape(
        *x.shape[:3], *(side // cells for side in x.shape[3:])
    )


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
    theta = prior.from_unit(q)
    return np.where(q == 0.5, theta[0], theta)


# What is simulated


def find(simulator: object, prior: Prior, test: Dataset, of: str, root: int) -> Truth | Unchecked:
    """The truth about a simulator.

    Args:
        simulator: What made `test`; run again where it is a `Simulator`.
        test: Held-out rows.
        of: The simulator's name.
        root: The seed of the run.
    """
    if not isinstance(test.data, Fields):
        return Unchecked(f"{of} gives vectors, not fields")
    runs = simulator if isinstance(simulator, Simulator) else None
    theta, true = held_out(test, prior, stream(root, "emulate", of, "held out"))
    failed, control, response = 0, None, None
    if runs and runs.maps < TRUE:
        true, failed = _at_each(runs, theta, root, of, "true")
    if true.shape[1] < FEWEST:
        few = "one field" if true.shape[1] == 1 else f"{true.shape[1]} fields"
        return Unchecked(f"simulations of {of} have {few} each; it takes {FEWEST} at one theta")
    varied = one_at_a_time(prior)
    if runs:
        control, again = _at_each(runs, theta, root, of, "control")
        response, more = _respond(runs, varied, root, of)
        failed += again + more
    return Truth(
        simulator=of,
        parameters=prior.names,
        data=test.data,
        theta=theta,
        true=true,
        control=control,
        varied=varied,
        response=response,
        failed=failed,
    )


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


def _respond(simulator: Simulator, varied: Array, root: int, of: str) -> tuple[TrueResponse, int]:
    """The response of a simulator, and how many seeds failed on the way."""
    labels = [("emulate", of, "response"), ("emulate", of, "response control")]
    (true, failed), (control, again) = _each(simulator, [varied, varied], root, labels)
    each = len(_kept(simulator))
    return TrueResponse(true=true, control=control, each=each), failed + again


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


def save(path: Path, found: Truth | Unchecked, identity: str = "") -> None:
    """Write true fields as single-precision arrays, whole.

    Args:
        identity: What the simulator's set says of itself; equal for equal truths.
    """
    if isinstance(found, Unchecked):
        storage.save_weights(path, Weights(meta={"unchecked": found.why, "identity": identity}))
        return
    arrays = {name: getattr(found, name) for name in ("theta", "true", "control", "varied")}
    response = found.response
    if response:
        arrays |= {"response/true": response.true, "response/control": response.control}
    kept = {
        name: value if name in ("theta", "varied") else np.asarray(value, np.float32)
        for name, value in arrays.items()
        if value is not None
    }
    meta = {
        "simulator": found.simulator,
        "parameters": found.parameters,
        "failed": found.failed,
        "each": response.each if response else 1,
        "identity": identity,
        **storage.describe(found.data),
    }
    storage.save_weights(path, Weights(arrays=kept, meta=meta))


def load(path: Path) -> Truth | Unchecked:
    """Read what `save` wrote."""
    weights = storage.load_weights(path)
    meta, arrays = weights.meta, weights.arrays
    if "unchecked" in meta:
        return Unchecked(meta["unchecked"])
    data = storage.described(meta)
    assert isinstance(data, Fields)
    response = None
    if "response/true" in arrays:
        response = TrueResponse(
            true=arrays["response/true"], control=arrays["response/control"], each=meta["each"]
        )
    return Truth(
        simulator=meta["simulator"],
        parameters=tuple(meta["parameters"]),
        data=data,
        theta=arrays["theta"],
        true=arrays["true"],
        control=arrays.get("control"),
        varied=arrays["varied"],
        response=response,
        failed=meta["failed"],
    )
