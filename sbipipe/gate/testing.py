r"""All tests of one estimator, judged together.

With p-values sorted, p_(1) <= ... <= p_(m), Holm's (1979)

    p_adjusted_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))

holds the probability that an exact posterior fails *any* of the m tests to `level`, however they
depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sbipipe.gate.mending import shape
from sbipipe.gate.verdict import Detection, Shape, Test
from sbipipe.interfaces import Array, PosteriorDraws, Result
from sbipipe.protocols import Diagnostic
from sbipipe.seeds import stream


def run_tests(
    draws: PosteriorDraws, diagnostics: Mapping[str, Diagnostic], level: float, root: int
) -> dict[str, Test]:
    """Every test of every diagnostic, adjusted for their number, by "<diagnostic>.<test>".

    Each diagnostic has a random stream of its own name: adding one changes no other's p-value.
    """
    results = {
        f"{name}.{result.test}": (name, result)
        for name, diagnostic in diagnostics.items()
        for result in diagnostic(draws, stream(root, "diagnostic", name))
    }
    adjusted = holm(np.array([result.p_value for _, result in results.values()]))
    return {
        key: Test(
            statistic=result.statistic,
            p_value=result.p_value,
            p_adjusted=float(p),
            passed=bool(p > level),
            diagnostic=name,
            why=result.why,
            numbers=result.numbers,
            curve=result.curve,
            says=result.says,
            shape=None if p > level else _shape(result, len(draws.parameters)),
        )
        for (key, (name, result)), p in zip(results.items(), adjusted, strict=True)
    }


def _shape(result: Result, dimension: int) -> Shape | None:
    if not result.ranks:
        return None
    return shape(np.array(result.ranks), dimension, outwards=result.outwards)


def holm(p_values: Array) -> Array:
    """Holm's adjusted p-values, (m,) -> (m,)."""
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1, factors * p_values[order]))
    return adjusted


def detection(tests: Mapping[str, Test]) -> Detection:
    """What the tests of a negative control amount to."""
    by = tuple(key for key, test in tests.items() if not test.passed)
    smallest = min(test.p_adjusted for test in tests.values())
    return Detection(found=bool(by), by=by, p_adjusted=smallest)
