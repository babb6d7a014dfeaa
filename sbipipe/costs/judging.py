"""What the gate's tests and the comparison will take, from one estimator and one pair of them.

Draws of a standard normal posterior stand for an estimator's: a test takes as long on these. Where
the exact posterior is known, the comparison finds the density of every other at some of its draws,
which takes about as long as drawing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import combinations

import numpy as np

from sbipipe import plugins
from sbipipe.config import Params
from sbipipe.costs.rows import Rows
from sbipipe.costs.stage import STARTING, Stage
from sbipipe.costs.timing import timed
from sbipipe.emulation.readers import sets_behind
from sbipipe.gate.controls import control_draws, controls
from sbipipe.gate.testing import run_tests
from sbipipe.interfaces import Array, PosteriorDraws
from sbipipe.posteriors.compare import compare_pair
from sbipipe.seeds import stream


def judging(
    params: Params, sets: Mapping[str, Rows], before: Mapping[str, float | None]
) -> Iterator[Stage]:
    """The gate's tests of all estimators, and the comparison of every two.

    Args:
        before: The seconds of the stages before these, by name, as far as they are known.
    """
    tested, compared, pairs = 0.0, 0.0, 0
    for simulator, names in params.tested_on.items():
        rows = sets[simulator]
        some = _normal(params, rows.prior.names, rows.simulations["test"])
        tested += len(names) * timed(partial(_tests, params, some))
        few = len(list(combinations(names, 2)))
        if few:
            compared += few * timed(partial(compare_pair, "a", some, "b", some, stream(0, "trial")))
        pairs += few
        if set(names) & set(params.exact):
            compared += _drawing(params, set(names) - set(params.exact), before)
    of = f"{len(params.estimators)} estimators and their controls"
    at_once = min(params.runtime.workers, max(1, len(params.estimators)))
    seconds = STARTING + tested / at_once
    yield Stage(name="diagnose", seconds=seconds, of=of)
    of = f"{pairs} pair{'s' if pairs != 1 else ''} of estimators"
    yield Stage(name="compare", seconds=STARTING + compared, of=of)
    if params.emulate:
        yield _asked(params, sets, before)


def _asked(params: Params, sets: Mapping[str, Rows], before: Mapping[str, float | None]) -> Stage:
    """What estimators find in emulated fields, and in as many true ones, if all are published."""
    seconds, fields = 0.0, 0
    for name in params.emulate:
        simulator = params.simulator_of(name)
        n = sets[simulator].simulations["test"]
        asked = min(n, params.judge.posteriors)
        names = [
            one for one in params.tested_on.get(simulator, ())
            if not params.emulate.keys() & set(sets_behind(params, one))
        ]  # fmt: skip
        seconds += 2 * asked / n * _drawing(params, names, before)
        fields += 2 * asked * len(names)
    of = f"{fields} posteriors of emulated and true fields"
    return Stage(name="ask", seconds=STARTING + seconds, of=of)


def _drawing(params: Params, names: Iterable[str], before: Mapping[str, float | None]) -> float:
    """The seconds in which these estimators are drawn from for all test simulations."""
    stages = (f"draw@{n}" if n in params.train else f"recalibrate@{n}" for n in names)
    return sum(before.get(stage) or 0.0 for stage in stages)


def _tests(params: Params, some: PosteriorDraws) -> None:
    """Of an estimator and of each of its negative controls."""
    diagnostics = {key: plugins.diagnostic(params, key) for key in params.diagnose}
    spoiled = [control_draws(some, one) for one in controls(params.draw)]
    for draws in (some, *spoiled):
        run_tests(draws, diagnostics, params.gate.level, 0)


def _normal(params: Params, names: tuple[str, ...], n: int) -> PosteriorDraws:
    """Draws of a standard normal posterior for n simulations."""
    rng, shape = stream(0, "trial draws"), (n, len(names))
    theta, draws = rng.standard_normal(shape), rng.standard_normal((params.draw.draws, *shape))

    def log_prob(at: Array) -> Array:
        return np.asarray(-0.5 * (at**2).sum(-1))

    preimages = {one.name: one.preimage(theta, draws) for one in controls(params.draw)}
    return PosteriorDraws(
        parameters=names,
        theta=theta,
        draws=draws,
        log_prob=log_prob(draws),
        log_prob_truth=log_prob(theta),
        log_prior_truth=np.zeros(n),
        log_prob_controls={name: log_prob(at) for name, at in preimages.items()},
        effective_sample_size=np.full(n, float(len(draws))),
        prior_variance=np.ones(len(names)),
        seconds=0.0,
        given={f"s{i}": column for i, column in enumerate(theta.T)},
    )


__all__ = ["judging"]
