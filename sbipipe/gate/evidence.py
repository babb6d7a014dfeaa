r"""What rejected tests say is wrong: the place of the posterior, or its width.

Under the null, sqrt(N) bias, sqrt(12 N) times the signed area, sqrt(N / 0.8) (dispersion - 1) and
sqrt(38.4 N) ATC all tend to a standard normal: that makes them comparable. Displacement and spread
are each summed over the parameters as z = sqrt(max(0, sum z_i^2 - D)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the numbers of some tests say, as z-scores.

    Attributes:
        displaced: The displacement of the parameters' ranks.
        spread: The error of their spread.
        width: The strongest evidence of a wrong width; positive where it is too wide.
    """

    displaced: float
    spread: float
    width: float


def evidence(numbers: Iterable[Mapping[str, float]], n: int) -> Evidence:
    """The evidence of tests on n simulations, from the numbers of each."""
    tests = list(numbers)
    shifts = [np.sqrt(n) * a["bias"] for a in tests if "bias" in a]
    spreads = [np.sqrt(n / 0.8) * (a["dispersion"] - 1) for a in tests if "dispersion" in a]
    areas = [np.sqrt(12 * n) * a["signed_area"] for a in tests if "signed_area" in a]
    areas += [np.sqrt(192 * n / 5) * a["atc"] for a in tests if "atc" in a]
    widths = [*areas, *(-z for z in spreads)]
    return Evidence(
        displaced=_summed(shifts),
        spread=_summed(spreads),
        width=float(max(widths, key=abs, default=0.0)),
    )


def _summed(z: list[float]) -> float:
    return float(np.sqrt(max(0.0, float(np.square(z).sum()) - len(z))))
