r"""Whether parameters follow the prior that was declared for them.

**Margins.** Under its prior the quantiles q = F(theta) of a parameter are uniform. With G_j the
share of simulations at or below the j-th distinct value, Kuiper's statistic (Kuiper 1960)

    V = max_j (G_j - q_{j+1})_+ + max_j (q_j - G_j)_+,    q_{J+1} = 1,

lets the mass of a value lie anywhere between its neighbours. So V is zero for a grid, small for
Sobol sequences and latin hypercubes, and for independent draws less than Kuiper's own, whose tail

    p <= 2 sum_k (4 k^2 l^2 - 1) exp(-2 k^2 l^2),    l = sqrt(N) V,

is an upper bound at finite N, where l grows by 0.155 V (Stephens 1965). Only departures larger than
those of chance count.

Where parameters depend on each other, q_i is the quantile given those that i depends on (`cube`),
and all q are as independent and uniform as ever.

**Pairs.** The quantiles of two parameters are independent. With Q_i (N, K) the orthonormal
polynomials, up to degree K, of the ranks of q_i, S = (N - 1) |Q_i^T Q_j|^2 follows a
chi-squared distribution with K^2 degrees of freedom: K = 1 is the rank correlation, K = 2 sees
curved dependence as well. A full factorial has S = 0. Two coordinates of a Sobol sequence may
depend on each other, quadratically, while its points are few for its dimension D (Joe and Kuo
2008), so K = 2 from N = 2 D^2 on.

N counts distinct vectors theta, since rows that share one say no more of the prior. Dependence of
which no two parameters show anything is not looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import scipy

from sbipipe.interfaces import Array, Index
from sbipipe.protocols import Prior
from sbipipe.records import InputError

LEVEL = 1e-6
"""The probability with which parameters from their prior are refused, over all that is tested."""

TERMS = np.arange(1, 50)
"""Terms of the series of Kuiper's tail."""

SMALL = 0.1
"""The value of N V^2 below which the tail is 1 to twelve digits."""

SMALLEST = 1e-100
"""A p-value that is told as it is."""


def require(theta: Array, prior: Prior, where: str) -> None:
    """Raise InputError where the parameters (S, D) of a design depart from the prior.

    Args:
        where: The dotted key of the entry, for messages.
    """
    lines = [f"{where}: {line}" for line in departures(theta, np.arange(len(theta)), prior)]
    if lines:
        raise InputError(*lines)


def departures(theta: Array, group: Index, prior: Prior) -> list[str]:
    """A line for each margin and each pair of parameters that departs from the prior.

    Args:
        theta: The parameters of all rows, with shape (N, D); rows with NaN are passed over.
        group: The simulation of each row, with shape (N,).
    """
    theta, distinct = simulated(theta, group)
    return [
        (_margin if len(which) == 1 else _pair)(theta, prior, which, p_value)
        for which, p_value in significant(theta, distinct, prior).items()
    ]


def significant(theta: Array, distinct: int, prior: Prior) -> Mapping[tuple[int, ...], float]:
    """The p-values of the margins (i,) and pairs (i, j) that depart from the prior.

    Args:
        theta: One row for each simulation, with shape (S, D), inside the prior.
        distinct: The number of different rows.
    """
    q, parameters = prior.to_unit(theta).T, range(theta.shape[1])
    degree = 2 if distinct >= 2 * len(parameters) ** 2 else 1
    polynomials = [scores(column, degree) for column in q]
    found: dict[tuple[int, ...], float] = {(i,): margin_p_value(q[i], distinct) for i in parameters}
    for i, j in combinations(parameters, 2):
        found[i, j] = pair_p_value(polynomials[i], polynomials[j], distinct)
    return {which: p_value for which, p_value in found.items() if p_value < LEVEL / len(found)}


def simulated(theta: Array, group: Index) -> tuple[Array, int]:
    """theta of every simulation, with shape (S, D), and the number of different ones."""
    import pandas as pd  # slow to import, and workers that simulate need none of it

    finite = np.isfinite(theta).all(1)
    rows = pd.DataFrame(theta[finite])
    parameters = [*rows.columns]
    each = rows.assign(group=group[finite]).drop_duplicates()
    return each[parameters].to_numpy(), len(each.drop_duplicates(parameters))


def margin_p_value(q: Array, distinct: int) -> float:
    """The probability that independent uniform numbers lie further from uniform than q (S,)."""
    values, counts = np.unique(q, return_counts=True)
    below = np.cumsum(counts) / len(q)
    above = np.append(values[1:], 1.0)
    kuiper = max(0.0, (below - above).max()) + max(0.0, (values - below).max())
    if distinct * kuiper**2 < SMALL:
        return 1.0
    square = (TERMS * kuiper) ** 2 * distinct
    return float(np.clip(2 * ((4 * square - 1) * np.exp(-2 * square)).sum(), 0, 1))


def pair_p_value(a: Array, b: Array, distinct: int) -> float:
    """The probability that independent parameters depend on each other more than those with the
    scores a and b, (S, K) and (S, L)."""
    freedom = a.shape[1] * b.shape[1]
    if not freedom:
        return 1.0
    return float(scipy.stats.chi2(freedom).sf((distinct - 1) * ((a.T @ b) ** 2).sum()))


def scores(column: Array, degree: int) -> Array:
    """Orthonormal polynomials of the ranks of (S,), with shape (S, K); K is the degree, or less
    where there are not more different values than that."""
    rank = scipy.stats.rankdata(column) / len(column) - 0.5
    degree = min(degree, len(np.unique(rank)) - 1)
    powers = np.stack([rank**k for k in range(degree + 1)], 1)
    return np.asarray(np.linalg.qr(powers)[0][:, 1:])


def _margin(theta: Array, prior: Prior, which: tuple[int, ...], p_value: float) -> str:
    (i,) = which
    if prior.margins is not prior:
        quartiles = np.quantile(prior.to_unit(theta)[:, i], [0.25, 0.5, 0.75])
        return (
            f"{prior.names[i]}: given {len(theta)} simulations whose quantiles, given what it "
            f"depends on, have quartiles {_words(quartiles)}, for a prior with 0.25, 0.5, 0.75 "
            f"({_p(p_value)}); {_ALLOWED}"
        )
    quartiles = np.quantile(theta[:, i], [0.25, 0.5, 0.75])
    quantiles = np.full((3, len(prior.names)), 0.5)
    quantiles[:, i] = [0.25, 0.5, 0.75]
    declared = prior.from_unit(quantiles)[:, i]
    return (
        f"{prior.names[i]}: given {len(theta)} simulations with quartiles {_words(quartiles)} and "
        f"standard deviation {theta[:, i].std():.3g}, for a prior with {_words(declared)} and "
        f"{np.sqrt(prior.variance[i]):.3g} ({_p(p_value)}); {_ALLOWED}"
    )


def _pair(theta: Array, prior: Prior, which: tuple[int, ...], p_value: float) -> str:
    i, j = which
    dependent = prior.margins is not prior
    values = prior.to_unit(theta) if dependent else theta
    correlation = scipy.stats.spearmanr(values[:, i], values[:, j]).statistic
    what = " of their quantiles, given what they depend on," if dependent else ""
    return (
        f"{prior.names[i]} and {prior.names[j]}: given {len(theta)} simulations with rank "
        f"correlation {correlation:.2f}{what or ','} for a prior under which they are independent "
        f"({_p(p_value)}); {_ALLOWED}"
    )


def _p(p_value: float) -> str:
    return f"p = {p_value:.1g}" if p_value > SMALLEST else f"p < {SMALLEST:g}"


def _words(numbers: Array) -> str:
    return ", ".join(f"{number:.3g}" for number in numbers)


_ALLOWED = "allowed: the prior that theta was drawn from, or {kind: as_drawn}"
