r"""Do estimators that learned from true fields find the same in generated ones?

Given theta, let an emulator draw a field x', and let x be the field of a test simulation. A
posterior q is then asked the same of both: whether its highest-density regions hold theta
(`gate.uniformity.outward_ranks`), and log q(theta | x), in nats. An emulator whose fields have the
distribution p(x | theta) leaves the means of all these as they are, whatever q is. Where it does
not, the difference is what an analysis of its fields with q gets wrong.

**The test.** For a perfect emulator x and x' could change places at every theta. So the signs of
the N differences are exchanged at random, `EXCHANGES` times, and p is the share of exchanges whose
mean is at least as far from zero. It holds for any N, and also where few regions differ. Of the
differences of nats, those beyond `MOST` count as `MOST`, and of two infinite ones as none.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sbipipe.emulation.asked import Compared, Figure, Reading
from sbipipe.emulation.exchanges import p_values
from sbipipe.gate import uniformity
from sbipipe.gate.sharpness import estimate
from sbipipe.interfaces import Array, Generator, PosteriorDraws
from sbipipe.seeds import stream

EXCHANGES = 9_999

MOST = 1_000.0
"""Nats."""


Said = Mapping[Figure, Array]
"""Each figure of each of N observations, (N,); nats are NaN where one could not be sampled."""


def figures(draws: PosteriorDraws, rng: Generator) -> Said:
    """What a posterior says of each of its observations."""
    u = uniformity.outward_ranks(draws, rng)
    nats = np.where(uniformity.failed(draws), np.nan, draws.log_prob_truth)
    return {"coverage_0.68": 1.0 * (u <= 0.68), "coverage_0.95": 1.0 * (u <= 0.95), "nats": nats}


def reading(
    true: Said, generated: Said, control: Said | None, root: int, *, learned: bool = False
) -> Reading:
    """Of fields at the same theta: those of the test simulations, an emulator's, and true ones of
    other seeds where there are some.

    Args:
        root: The root of the random streams.
        learned: Whether the estimator has learned from fields of the emulator.
    """

    def beside(said: Said) -> dict[Figure, Compared]:
        return {
            figure: compared(values, true[figure], stream(root, "ask", "signs"))
            for figure, values in said.items()
        }

    return Reading(generated=beside(generated), control=beside(control or {}), learned=learned)


def compared(values: Array, true: Array, rng: Generator) -> Compared:
    """Values of N fields beside those of true fields at the same theta, each (N,)."""
    with np.errstate(invalid="ignore"):
        difference = values - true
    return Compared(
        value=estimate(values).mean,
        true=estimate(true).mean,
        difference=estimate(difference),
        p=_p(difference, rng),
    )


def _p(difference: Array, rng: Generator) -> float:
    bounded = np.clip(np.nan_to_num(difference, posinf=MOST, neginf=-MOST), -MOST, MOST)
    signs = 1.0 - 2.0 * rng.integers(2, size=(1 + EXCHANGES, len(bounded)), dtype=np.int8)
    signs[0] = 1.0
    return float(p_values(np.abs(signs @ bounded)))


__all__ = ["Said", "compared", "figures", "reading"]
