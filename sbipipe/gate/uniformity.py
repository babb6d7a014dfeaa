r"""Are B values uniform on [0, 1]? What SBC, coverage and TARP have in common.

Each of these diagnostics turns one simulation into one number: the share of posterior draws that
lie below (outside, nearer than) the truth. For an exact posterior, truth and draws are exchangeable
given the data, so the rank r of the truth among n draws is uniform on {0, ..., n}, and with
ties broken at random and V uniform

    u = (r + V) / (n + 1)

is uniform on [0, 1] *exactly*, for any n (the randomised probability integral transform). No
approximation of many draws or of few ties is left in any p-value here.

Draws that are worth fewer independent ones give false alarms (unthinned chains: 30 % at an
effective size of 10). The n above is therefore each observation's own effective sample size, and
its rank is taken among its first n draws, which come shuffled.

Two tests are offered. Kolmogorov and Smirnov's (exact distribution), and the simultaneous one of
Säilynoja, Bürkner & Vehtari (2022, arXiv:2103.10522): at z_i = i/K the count N F(z_i) of an
empirical distribution F is binomial, and

    gamma = 2 min_i min{ P(Bin(N, z_i) <= N F(z_i)), P(Bin(N, z_i) >= N F(z_i)) }

is small where F strays. Its p-value P(gamma <= observed) is not simulated but computed: the counts
form a Markov chain, a Poisson process of rate N conditioned on N points in all, and the probability
that it leaves the band {gamma > observed} adds up over the step at which it first does (Moscovich &
Nadler 2017, arXiv:1503.04363). All terms are positive, so p-values of 1e-20 are as accurate as
those of 0.1, and the band drawn at level a excludes exactly the curves with p <= a.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import scipy
from scipy import special

from sbipipe.interfaces import Array, Generator, Index, Mask, PosteriorDraws

STEPS = 100
"""K: the unit interval is looked at in this many steps."""

TIE = 1e-9
"""Tails that differ by this relative amount are equal: mirror images round differently."""

GRID: Array = np.linspace(0, 1, STEPS + 1)
"""z_i = i / K, with shape (K + 1,)."""


def effective_draws(draws: PosteriorDraws) -> Index:
    """How many draws of each observation count, with shape (B,)."""
    size = np.nan_to_num(draws.effective_sample_size, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(np.clip(size, 0, len(draws.draws)).astype(np.int64))


def failed(draws: PosteriorDraws) -> Mask:
    """Observations without usable draws or without a density at the truth, with shape (B,)."""
    none = effective_draws(draws) < 1
    broken = ~np.isfinite(draws.draws).all((0, 2)) | np.isnan(draws.log_prob_truth)
    return np.asarray(draws.failed | none | broken)


def fail_few(draws: PosteriorDraws, fewest: int) -> PosteriorDraws:
    """The draws, where an observation with fewer effective ones than `fewest` (or than all) has
    failed: its densities become NaN."""
    few = effective_draws(draws) < min(fewest, len(draws.draws))
    return replace(draws, log_prob=np.where(few, np.nan, draws.log_prob))


def by_turns(count: int) -> Array:
    """0, 1, 0, 1, ...: where failed observations go that could lie at either end."""
    return np.arange(count) % 2.0


def pit(values: Array, truth: Array, size: Index, rng: Generator) -> Array:
    """Randomised probability integral transform of the truth among draws.

    Args:
        values: Of the draws, with shape (n, B).
        truth: With shape (B,).
        size: How many of the draws to use, from the first, with shape (B,).

    Returns:
        u with shape (B,), uniform where truth and draws are exchangeable.
    """
    used = np.arange(len(values))[:, None] < size
    below = ((values < truth) & used).sum(0)
    equal = ((values == truth) & used).sum(0)
    rank = below + rng.integers(0, equal + 1)
    return np.asarray((rank + rng.random(len(truth))) / (size + 1))


def outward_ranks(draws: PosteriorDraws, rng: Generator) -> Array:
    """The mass of the smallest highest-density region that holds the truth, u with shape (B,):
    uniform for an exact posterior.

    A failed observation and a truth of zero density lie outside every region: u = 1.
    """
    u = pit(-draws.log_prob, -draws.log_prob_truth, effective_draws(draws), rng)
    u[failed(draws) | np.isneginf(draws.log_prob_truth)] = 1.0
    return u


def ecdf(u: Array) -> Array:
    """Share of u at or below each point of the grid, with shape (K + 1,)."""
    return np.asarray(np.searchsorted(np.sort(u), GRID, side="right") / len(u))


def bias(u: Array) -> float:
    """Mean of u minus 1/2, in standard deviations of a uniform; chance gives 1/sqrt(N)."""
    return float((np.mean(u) - 0.5) * np.sqrt(12))


def dispersion(u: Array) -> float:
    """Variance of u over that of a uniform; above one: the posterior is too narrow."""
    return float(np.var(u) * 12)


def spread_scores(u: Array) -> Array:
    """12 s^2 - 1 in its standard deviations, with s^2 the variance of each row, (..., N) -> (...):
    a standard normal for uniform values, above zero where they lie too near to the ends."""
    return np.asarray((12 * np.var(u, -1, ddof=1) - 1) / spread_error(u.shape[-1]))


def spread_error(n: int) -> float:
    """The standard deviation of 12 s^2 for n uniform values."""
    return float(np.sqrt(4 / (5 * n) * (1 + 5 / (2 * max(n - 1, 1)))))


def critical_score(level: float, count: int) -> float:
    """What `count` standard normals stay within with probability 1 - level or more."""
    return float(scipy.stats.norm.isf(level / (2 * count)))


def largest_score(scores: Array) -> float:
    """The p-value of the score farthest from zero, by Bonferroni."""
    return float(min(1.0, 2 * len(scores) * scipy.stats.norm.sf(np.abs(scores).max())))


def kolmogorov_smirnov(u: Array) -> tuple[float, float]:
    """Largest distance between the empirical and the uniform distribution, and its p-value."""
    distance = float(ks_distance(np.asarray(u)[None])[0])
    return distance, float(scipy.stats.kstwo.sf(distance, len(u)))


def ks_distance(u: Array) -> Array:
    """Kolmogorov-Smirnov distance of each row from uniform, (R, N) -> (R,)."""
    u, n = np.sort(u, -1), u.shape[-1]
    steps = np.arange(n + 1) / n
    return np.asarray(np.maximum((steps[1:] - u).max(-1), (u - steps[:-1]).max(-1)))


@lru_cache(maxsize=64)
def critical_distance(n: int, level: float) -> float:
    """The distance that n uniform values stay below with probability 1 - level."""
    return float(scipy.stats.kstwo.isf(level, n))


def ks_band(n: int, level: float) -> tuple[Array, Array]:
    """The band around the diagonal that holds all of F with probability 1 - level."""
    width = critical_distance(n, level)
    return np.clip(GRID - width, 0, 1), np.clip(GRID + width, 0, 1)


def simultaneous(u: Array) -> tuple[float, float]:
    """gamma, small where u strays from uniform, and its exact p-value."""
    n = len(u)
    counts = np.round(ecdf(u)[1:-1] * n).astype(int)
    gamma = float(lowest_tail(counts, n))
    return gamma, min(1.0, _escape(gamma, n))


def lowest_tail(counts: Index, n: int) -> Array:
    """gamma of counts at the inner points of the grid, (..., K - 1) -> (...)."""
    return np.asarray(_tails(n)[np.arange(STEPS - 1), counts].min(-1))


@lru_cache(maxsize=64)
def critical_gamma(n: int, level: float) -> float:
    """The largest gamma that n uniform values stay above with probability 1 - level."""
    low, high = np.log(level / STEPS), np.log(level)
    for _ in range(25):
        middle = (low + high) / 2
        low, high = (middle, high) if _escape(np.exp(middle), n) <= level else (low, middle)
    return float(np.exp(low))


def simultaneous_band(n: int, level: float) -> tuple[Array, Array]:
    """The band of binomial intervals that holds all of F with probability 1 - level."""
    lower, upper = _bounds(critical_gamma(n, level), n)
    return np.r_[0, lower / n, 1], np.r_[0, upper / n, 1]


@lru_cache(maxsize=8)
def _tails(n: int) -> Array:
    """Twice the smaller binomial tail of every count, with shape (K - 1, n + 1).

    By sums of positive terms: `scipy.stats.binom` takes 15 to 25 times as long, and loses up to a
    third of tails below 1e-240.
    """
    k, z = np.arange(n + 1), GRID[1:-1, None]
    log_choose = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    mass = np.exp(log_choose + k * np.log(z) + (n - k) * np.log1p(-z))
    below, above = mass.cumsum(1), mass[:, ::-1].cumsum(1)[:, ::-1]
    return np.asarray(np.minimum(1.0, 2 * np.minimum(below, above)))


def _bounds(gamma: float, n: int) -> tuple[Index, Index]:
    """Smallest and largest count above gamma at each inner point of the grid."""
    inside = _tails(n) > gamma * (1 + TIE)
    return inside.argmax(1), n - inside[:, ::-1].argmax(1)


def _escape(gamma: float, n: int) -> float:
    """Probability that n uniform values have a gamma of at most this."""
    if gamma >= 1:
        return 1.0
    lower, upper = _bounds(gamma, n)
    if not (_tails(n) > gamma * (1 + TIE)).any(1).all():
        return 1.0
    kernel, rest = _increments(n), _remainders(n)
    inside, first, total = np.ones(1), 0, 0.0
    for i in range(STEPS - 1):
        mass = np.convolve(inside, kernel)[: n + 1 - first]
        a, b = max(int(lower[i]) - first, 0), int(upper[i]) - first + 1
        ends = rest[i, first : first + len(mass)]
        total += float(mass[:a] @ ends[:a] + mass[b:] @ ends[b:])
        inside, first = mass[a:b], first + a
    return total / float(scipy.stats.poisson.pmf(n, n))


@lru_cache(maxsize=8)
def _increments(n: int) -> Array:
    """Probabilities of the counts within one step of a Poisson process of rate n."""
    rate = n / STEPS
    counts = np.arange(int(rate + 12 * np.sqrt(rate) + 40))
    return np.asarray(scipy.stats.poisson.pmf(counts, rate))


@lru_cache(maxsize=8)
def _remainders(n: int) -> Array:
    """Probabilities of reaching n from each count at each inner point, (K - 1, n + 1)."""
    left = n - np.arange(n + 1)
    return np.asarray(scipy.stats.poisson.pmf(left, n * (1 - GRID[1:-1, None])))
