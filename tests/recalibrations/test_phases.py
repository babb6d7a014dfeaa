"""A recalibration names what it does, and counts the observations that it does it to."""

from __future__ import annotations

import io
from typing import Any

import pytest

import linear_problem
from sbipipe import telling
from sbipipe.estimators.exact import Exact
from sbipipe.interfaces import Array, Run, Weights
from sbipipe.recalibrations.levels import Levels
from sbipipe.recalibrations.reweighted import Reweighted
from sbipipe.recalibrations.tempered import Tempered
from sbipipe.records import parse
from watch import Watch

SIMULATOR = linear_problem.SIMULATOR
PRIOR = SIMULATOR.prior


def seen(kind: type, **config: Any) -> list[str]:
    """What the line says of the fit, whenever the density is evaluated, without the count."""
    watch, said = Watch(), []

    def log_likelihood(theta: Array, x: Array) -> Array:
        watch.now += 1
        said.append(line().partition("so far; ")[2])
        return SIMULATOR.log_likelihood(theta, x)

    exact = Exact().restore(Weights(), PRIOR, log_likelihood)
    made = parse(kind, config, "recalibrate.it.config")
    rows = linear_problem.simulate(300, seed=4)
    with telling.stage("recalibrate@it", io.StringIO(), clock=watch) as line:
        made = made.towards(exact) if isinstance(made, Reweighted) else made
        made.fit(exact, rows, PRIOR, Run(seed=0))
    return list(dict.fromkeys(one.partition(", ")[0] for one in said))


@pytest.mark.parametrize(
    ("kind", "phases"),
    [
        (
            Tempered,
            [
                "strength: finding posteriors",
                "strength: drawing",
                "strength: densities at points",
                "strength",
            ],
        ),
        (Levels, ["levels of the truth"]),
        (
            Reweighted,
            [
                "with weights: finding posteriors",
                "without weights: finding posteriors",
                "densities",
                "without weights: drawing",
                "with weights: drawing",
            ],
        ),
    ],
)
def test_every_phase_that_asks_for_densities_has_a_name(kind: type, phases: list[str]):
    assert seen(kind) == phases
