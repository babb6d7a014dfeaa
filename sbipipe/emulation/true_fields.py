"""Where true fields are found, beside which emulated ones are set.

**Held out.** Some test simulations, spread over the prior: the nearest to a scrambled Sobol
sequence in the unit cube. Their own fields are the truth where one simulation gives enough; else
the simulator runs again at their theta. Wherever there is a simulator it also runs for a control,
true fields of other seeds at the same theta, which are what a perfect emulator would have drawn.

**Response.** One parameter at a time is moved from the middle of the prior, in quantiles, as in the
"1P" sets of CAMELS (Villaescusa-Navarro et al. 2021). All theta of one row share the simulator's
phases, so that what differs is theta's doing.

**Sample.** In the middle of the prior, many fields, twice, in whole simulations.

**Again.** At the parameters of some test simulations, evenly chosen, one field of another seed.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy

from sbipipe.emulation.chi_squared import FEWEST as LEAST
from sbipipe.emulation.sample import FEWEST, TrueSample
from sbipipe.emulation.simulating import (
    TRUE,
    apart,
    kept,
    one_at_each,
    simulated_for_each,
    simulations,
)
from sbipipe.emulation.truth import TrueAgain, TrueResponse, Truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Dataset, Fields, Generator, Index
from sbipipe.protocols import Prior, Simulator
from sbipipe.seeds import stream

THETAS, DRAWN = 10, 50
"""Held-out theta, and emulated fields at each: the numbers of Mudur et al. 2023."""

QUANTILES = (0.1, 0.3, 0.7, 0.9)
"""Quantiles of the prior to which each parameter is moved."""

VARIED = 6
"""Parameters that are moved, at most."""


def spread(theta: Array, prior: Prior, count: int, rng: Generator) -> Index:
    """Rows of theta (S, D) nearest to an even cover of the prior, each taken once."""
    q = prior.to_unit(theta)
    count = min(count, len(q))
    sobol = scipy.stats.qmc.Sobol(q.shape[1], scramble=True, rng=rng)
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
    q = np.full((varied(D), D), 0.5)
    for row, (i, quantile) in enumerate(itertools.product(range(min(D, VARIED)), QUANTILES), 1):
        q[row, i] = quantile
    theta = prior.from_unit(q)
    return np.where(q == 0.5, theta[0], theta)


def varied(parameters: int) -> int:
    """How many theta there are with one of so many parameters moved, and the fiducial one."""
    return 1 + min(parameters, VARIED) * len(QUANTILES)


def number(simulator: Simulator, parameters: int, fields: int, posteriors: int) -> int:
    """How many simulations `find` runs, if none fails."""
    each = -(-TRUE // len(kept(simulator)))
    held_out = THETAS * each * (1 if simulator.maps >= TRUE else 2)
    many = 2 * _simulations(simulator, fields)[0] if fields else 0
    return held_out + 2 * each * varied(parameters) + many + posteriors


def find(
    simulator: object,
    prior: Prior,
    test: Dataset,
    of: str,
    root: int,
    fields: int = 0,
    posteriors: int = 0,
) -> Truth | Unchecked:
    """The truth about a simulator.

    Args:
        simulator: What made `test`; run again where it is a `Simulator`.
        test: Held-out rows.
        of: The simulator's name.
        root: The seed of the run.
        fields: How many there are in the sample at the fiducial theta, at least; 0 for none.
        posteriors: The number of test simulations, at most, at whose theta there is one field of
            another seed.
    """
    if not isinstance(test.data, Fields):
        return Unchecked(f"{of} gives vectors, not fields")
    runs = simulator if isinstance(simulator, Simulator) else None
    theta, true = held_out(test, prior, stream(root, "emulate", of, "held out"))
    failed, control, response, many, other = 0, None, None, None, None
    if runs and runs.maps < TRUE:
        true, failed = _at_each(runs, theta, root, of, "true")
    if true.shape[1] < LEAST:
        few = "one field" if true.shape[1] == 1 else f"{true.shape[1]} fields"
        return Unchecked(f"simulations of {of} have {few} each; it takes {LEAST} at one theta")
    moved = one_at_a_time(prior)
    if runs:
        control, again = _at_each(runs, theta, root, of, "control")
        response, more = _respond(runs, moved, root, of)
        failed += again + more
    if runs and fields:
        many, again = sampled(runs, moved[0], fields, root, of)
        failed += again
    if runs and posteriors:
        other, again = _again(runs, test, posteriors, root, of)
        failed += again
    return Truth(
        simulator=of,
        parameters=prior.names,
        data=test.data,
        theta=theta,
        true=true,
        control=control,
        varied=moved,
        response=response,
        sample=many,
        again=other,
        failed=failed,
    )


def _respond(simulator: Simulator, theta: Array, root: int, of: str) -> tuple[TrueResponse, int]:
    """The response of a simulator, and how many seeds failed on the way."""
    labels = [("emulate", of, "response"), ("emulate", of, "response control")]
    (true, failed), (control, again) = simulated_for_each(simulator, [theta, theta], root, labels)
    each = len(kept(simulator))
    return TrueResponse(true=true, control=control, each=each), failed + again


def _at_each(
    simulator: Simulator, theta: Array, root: int, of: str, what: str
) -> tuple[Array, int]:
    """True fields of seeds of their own at every theta, (T, n, C, *space), and failures."""
    labels = [("emulate", of, what, t) for t in range(len(theta))]
    found = simulated_for_each(simulator, list(theta[:, None]), root, labels)
    return np.stack([fields[:, 0] for fields, _ in found]), sum(failed for _, failed in found)


def _again(
    simulator: Simulator, test: Dataset, count: int, root: int, of: str
) -> tuple[TrueAgain, int]:
    """A field of another seed at the theta of so many test simulations, and failures."""
    _, first = np.unique(test.group, return_index=True)
    theta = test.theta[first][evenly(len(first), count)]
    fields, failed = one_at_each(simulator, theta, root, "emulate", of, "again")
    return TrueAgain(theta=theta, fields=fields), failed


def sampled(
    simulator: Simulator, theta: Array, fields: int, root: int, of: str
) -> tuple[TrueSample, int]:
    """At least so many fields at theta (D,), twice, of at least `FEWEST` simulations each, and how
    many seeds failed on the way.

    Args:
        of: The simulator's name.
    """
    count, rows = _simulations(simulator, fields)
    (true, failed), (control, again) = (
        simulations(simulator, theta, count, rows, root, "emulate", of, what)
        for what in ("sample", "sample control")
    )
    return TrueSample(theta=theta, true=true, control=control), failed + again


def _simulations(simulator: Simulator, fields: int) -> tuple[int, Index]:
    """How many simulations give so many fields, and which fields of each are kept."""
    rows = apart(simulator.maps, max(1, fields // FEWEST))
    return max(FEWEST, -(-fields // len(rows))), rows
