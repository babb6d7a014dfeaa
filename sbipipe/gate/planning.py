"""What a gate will see, before anything is simulated or drawn.

The number of tests that the level is corrected for is found by trying them: each diagnostic judges
a few draws of a standard normal posterior.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sbipipe.config import Gate
from sbipipe.gate.power import LARGEST, simulations_needed, smallest_width_error
from sbipipe.gate.verdict import Power
from sbipipe.interfaces import PosteriorDraws
from sbipipe.protocols import Diagnostic
from sbipipe.seeds import stream

SIMULATIONS, DRAWS = 40, 20
"""Of the posterior that diagnostics are tried on."""

WORST = 0.5
"""The largest `gate.width_error` that may be written."""


def outlook(
    n: int,
    parameters: tuple[str, ...],
    diagnostics: Mapping[str, Diagnostic],
    gate: Gate,
    seed: int,
) -> str:
    """What n test simulations of so many parameters will show, and whether that suffices."""
    tests, dimension = count_tests(diagnostics, parameters), len(parameters)
    rng = stream(seed, "outlook")
    power = smallest_width_error(n=n, dimension=dimension, tests=tests, gate=gate, rng=rng)
    seen = f"{n} test simulations show {_errors(power)}"
    if power.suffices:
        return seen
    needed = simulations_needed(dimension=dimension, tests=tests, gate=gate, rng=rng)
    ways = [] if needed is None else [f"it takes {needed} of them"]
    if power.width_error is not None and power.width_error <= WORST:
        ways.append(f"gate.width_error: {power.width_error:g} says what they are good for")
    return (
        f"{seen}, where gate.width_error asks for {100 * gate.width_error:.0f} %: no posterior "
        f"will be published; {', or '.join(ways) or 'it takes many more'}"
    )


def within_reach(n: int, parameters: tuple[str, ...], gate: Gate, tests: int, seed: int) -> float:
    """The least `gate.width_error`, not below that of `gate`, which n test simulations are good
    for; the largest that may be written where they are good for none."""
    rng, dimension = stream(seed, "outlook"), len(parameters)
    power = smallest_width_error(n=n, dimension=dimension, tests=tests, gate=gate, rng=rng)
    return min(max(gate.width_error, power.width_error or WORST), WORST)


def _errors(power: Power) -> str:
    if power.narrow is None or power.wide is None:
        return f"not even an error of {100 * LARGEST:.0f} % in one parameter's width"
    return (
        f"one parameter's width {100 * power.narrow:.0f} % too narrow or {100 * power.wide:.0f} % "
        f"too wide with probability {power.chance:g}"
    )


def count_tests(diagnostics: Mapping[str, Diagnostic], parameters: tuple[str, ...]) -> int:
    """The number of tests that a posterior of these parameters is put through."""
    rng, dimension = np.random.default_rng(0), len(parameters)
    theta = rng.standard_normal((SIMULATIONS, dimension))
    draws = rng.standard_normal((DRAWS, SIMULATIONS, dimension))
    trial = PosteriorDraws(
        parameters=parameters,
        theta=theta,
        draws=draws,
        log_prob=-0.5 * (draws**2).sum(-1),
        log_prob_truth=-0.5 * (theta**2).sum(-1),
        log_prior_truth=np.zeros(SIMULATIONS),
        log_prob_controls={},
        effective_sample_size=np.full(SIMULATIONS, float(DRAWS)),
        prior_variance=np.ones(dimension),
        seconds=0.0,
    )
    return sum(len(diagnostic(trial, rng)) for diagnostic in diagnostics.values())


__all__ = ["count_tests", "outlook", "within_reach"]
