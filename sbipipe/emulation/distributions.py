r"""Whether each component of a statistic has the distribution that it has in true fields:
Kolmogorov-Smirnov and Anderson-Darling.

Of two samples of n values, N = 2 n together, put in order, let W_i be the number of the first
sample among the lowest i less that of the second. Then

    KS = max_i |W_i| / n,        AD = sum_{i < N} W_i^2 / (i (N - i)),

the distance of the two empirical distributions, and the mean of its square with more weight in the
tails (Scholz & Stephens 1987, JASA 82, 918, their A^2 of two samples of one size). Equal values
count together, at the last of them. Their null distributions are by exchange (`exchanges`).

**Similarity scores.** Mustafa et al. 2019 (arXiv:1706.02390, section 3) give the shares of Fourier
modes with p > 0.99 and p > 0.95. These are no p-values of a null hypothesis, of which one in a
hundred would be above 0.99. The paper says no more of them than that they are bootstrapped; the
authors' code (`validation.py`, of the pixels) compares the heights of two histograms, as if the
heights of their `BARS` bars were two samples. Heights of similar histograms are nearly equal, and p
nearly 1. The scores here are made in that way, with the heights exchanged one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbipipe.emulation.exchanges import divisions, p_of_largest, p_values
from sbipipe.emulation.judgement import short
from sbipipe.emulation.sampled import Departure
from sbipipe.interfaces import Array, Generator, Index

BARS = 60
"""Bars of the histograms whose heights are compared: the number of Mustafa et al."""

BAND = 0.95
"""The share of exchanges that stay below what is given as expected."""

NAMES = ("Kolmogorov-Smirnov", "Anderson-Darling")


@dataclass(frozen=True, kw_only=True)
class Distances:
    """KS and AD under every division, each with shape (1 + count, L)."""

    ks: Array
    ad: Array


def distances(a: Array, b: Array, signs: Index) -> Distances:
    """Of each component of a and b (G, e, L) under every division, which moves the e values of a
    simulation together."""
    values = np.concatenate([a, b]).astype(np.float64)
    found = [_distances(one, signs) for one in np.moveaxis(values, -1, 0)]
    ks, ad = (np.stack(one, 1) for one in zip(*found, strict=True))
    return Distances(ks=ks, ad=ad)


def _distances(values: Array, signs: Index) -> tuple[Array, Array]:
    """Of one component (2 G, e), each with shape (1 + count,)."""
    groups, each = values.shape
    N = groups * each
    order = np.argsort(values, axis=None, kind="stable")
    ordered = values.ravel()[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], False))
    walk = np.cumsum(signs[:, order // each], axis=1, dtype=np.int32)[:, ends].astype(np.float64)
    below = ends + 1.0
    weight = np.diff(below, prepend=0) / (below * (N - below))
    largest = np.abs(walk).max(1, initial=0) / (N / 2)
    return largest, walk**2 @ weight


def departures(a: Array, b: Array, rng: Generator) -> dict[str, Departure]:
    """Of the components of a from b (G, e, L), by test."""
    found = distances(a, b, divisions(len(a), rng))
    alike = similarity(a, b, rng)
    return {
        name: Departure(
            p=short(p_values(one)),
            p_largest=p_of_largest(one),
            distance=short(one[0]),
            expected=short(np.quantile(one, BAND, axis=0)),
            similar_99=float((score > 0.99).mean()),
            similar_95=float((score > 0.95).mean()),
        )
        for name, one, score in zip(NAMES, (found.ks, found.ad), alike, strict=True)
    }


def similarity(a: Array, b: Array, rng: Generator) -> tuple[Array, Array]:
    """The similarity scores of each component of a and b (G, e, L) by KS and by AD, each (L,)."""
    L = a.shape[-1]
    pairs = zip(a.reshape(-1, L).T, b.reshape(-1, L).T, strict=True)
    heights = np.stack([_heights(*pair) for pair in pairs], -1)
    found = distances(heights[:BARS, None], heights[BARS:, None], divisions(BARS, rng))
    return p_values(found.ks), p_values(found.ad)


def _heights(a: Array, b: Array) -> Array:
    """Of the histograms of a, then of b, (2 * BARS,), between the least and the greatest value."""
    both = np.concatenate([a, b])
    edges = np.histogram_bin_edges(both, BARS)
    return np.concatenate([np.histogram(one, edges)[0] for one in (a, b)])


__all__ = ["BAND", "BARS", "NAMES", "Distances", "departures", "distances", "similarity"]
