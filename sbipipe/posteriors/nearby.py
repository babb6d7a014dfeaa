r"""Is a posterior right where the observation lies?

A verdict is about all observations together. Two questions are asked of one observation x_o, both
of test simulations that nothing was fitted to.

**The nearest ones.** Those k whose data lie nearest to x_o are chosen by the data alone, so the
ranks of an exact posterior are uniform among them: their 68 % regions hold the truth in a share
0.68, and the number of truths held is binomial.

**L-C2ST** (Linhart, Gramfort & Rodrigues 2023, arXiv:2306.03580). A classifier learns on all test
simulations to tell pairs (theta, x) with the true theta from pairs with a draw; where posteriors
are exact it cannot. Its statistic at x_o is the mean over draws of q(theta | x_o) of

    (P(true | theta, x_o) - 1/2)^2.

Under the null, truth and draw are exchangeable given x, so labels may be swapped in each pair: the
rank of the statistic among those of classifiers trained on swapped labels is an exact p-value for
the hypothesis that all posteriors are right, by a statistic that looks at x_o.

The classifier is linear, P - 1/2 = w . f clipped to its range, and w minimises the squared error on
all pairs with a ridge of 1, so that those of all swaps are the columns of one solution. theta is
standardised by the mean and width of the other half of the draws, and x by `Axes`; the features f
are z_i and z_i z_j, alone and times each coordinate of x: what a shift, a width or a correlation
that is wrong by an amount linear in x does to the logarithm of a ratio of normals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from sbipipe.gate import uniformity
from sbipipe.interfaces import Array, Generator, Mask, PosteriorDraws

NEAREST = 50
"""k, or a quarter of the test simulations where that is less."""

CREDIBILITY = 0.68
COORDINATES = 3
"""Principal directions of the data that are looked at."""

SWAPS = 999
"""Classifiers of the null distribution."""

RIDGE = 1.0
"""Added to the diagonal of the sums of squares of standardised features."""

FEWEST = 40
"""Test simulations without which nothing is said."""


@dataclass(frozen=True, kw_only=True)
class Nearby:
    """What test simulations say of the posterior of one observation.

    Attributes:
        count: The number of the nearest test simulations.
        held: The share of their truths inside the 68 % region.
        p_held: The probability of a share at least as unlikely, for an exact posterior.
        statistic: L-C2ST's statistic at the observation.
        p_value: Its p-value.
        simulations: The number of simulations that the classifier learned from.
    """

    count: int
    held: float
    p_held: float
    statistic: float
    p_value: float
    simulations: int


def nearby(
    draws: PosteriorDraws, x: Array, observed: Array, posterior: Array, rng: Generator
) -> tuple[Nearby, ...]:
    """What the test simulations say of each observation; nothing where they are too few.

    Args:
        draws: An estimator's draws for the test simulations.
        x: What they are conditioned on, with shape (N, L).
        observed: The observations, with shape (B, L).
        posterior: Draws for these, with shape (n, B, D).
    """
    kept = ~uniformity.failed(draws) & np.isfinite(x).all(1)
    if kept.sum() < FEWEST:
        return ()
    axes = Axes.of(x[kept])
    near, far = axes(observed), axes(x[kept])
    held = _held(draws, kept, rng)
    test = _Classified.of(draws, kept, far, rng)
    found = []
    for place, own in zip(near, np.moveaxis(posterior, 1, 0), strict=True):
        count = min(NEAREST, len(far) // 4)
        nearest = np.argsort(((far - place) ** 2).sum(1), kind="stable")[:count]
        inside = int(held[nearest].sum())
        statistic, p_value = test.at(own, place)
        found.append(
            Nearby(
                count=count,
                held=inside / count,
                p_held=float(scipy.stats.binomtest(inside, count, CREDIBILITY).pvalue),
                statistic=statistic,
                p_value=p_value,
                simulations=int(kept.sum()),
            )
        )
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Leading principal directions of data, in units of their spread.

    Attributes:
        mean, scale: The moments of each component, with shape (L,).
        directions: The directions, with shape (L, d).
        spread: The standard deviation along each, with shape (d,).
    """

    mean: Array
    scale: Array
    directions: Array
    spread: Array

    @classmethod
    def of(cls, x: Array) -> Axes:
        """Those of rows (N, L)."""
        x = np.asarray(x, np.float64)
        scale = np.where(x.std(0) > 0, x.std(0), 1.0)
        mean, standard = x.mean(0), (x - x.mean(0)) / scale
        _, strength, rows = np.linalg.svd(standard, full_matrices=False)
        kept = strength[:COORDINATES] > 1e-6 * strength[0]
        spread = strength[:COORDINATES][kept] / np.sqrt(len(x))
        return cls(mean=mean, scale=scale, directions=rows[:COORDINATES][kept].T, spread=spread)

    def __call__(self, x: Array) -> Array:
        """Coordinates (N, d) of rows (N, L)."""
        return np.asarray((x - self.mean) / self.scale @ self.directions / self.spread)


def _held(draws: PosteriorDraws, kept: Mask, rng: Generator) -> Mask:
    """Whether the 68 % region of each simulation holds its truth."""
    size = uniformity.effective_draws(draws)[kept]
    rank = uniformity.pit(draws.log_prob[:, kept], draws.log_prob_truth[kept], size, rng)
    return np.asarray(rank >= 1 - CREDIBILITY)


@dataclass(frozen=True, kw_only=True)
class _Classified:
    """Classifiers of true parameters and draws: the first with the labels as they are.

    Attributes:
        mean, scale: The moments of each feature, with shape (F,).
        weights: Of the standardised features, with shape (F, 1 + SWAPS).
    """

    mean: Array
    scale: Array
    weights: Array

    @classmethod
    def of(cls, draws: PosteriorDraws, kept: Mask, place: Array, rng: Generator) -> _Classified:
        half = len(draws.draws) // 2
        values = np.asarray(draws.draws[:, kept], np.float64)
        mean, width = values[:half].mean(0), values[:half].std(0)
        index = rng.integers(half, len(values), len(place))
        drawn = values[index, np.arange(len(place))]
        pairs = [_features((one - mean) / width, place) for one in (draws.theta[kept], drawn)]
        features = np.concatenate(pairs)
        label = np.where(rng.random((1 + SWAPS, len(place))) < 0.5, 0.5, -0.5)
        label[0] = 0.5
        middle, scale = features.mean(0), features.std(0)
        x = (features - middle) / scale
        y = np.concatenate([label, -label], 1).T
        weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
        return cls(mean=middle, scale=scale, weights=weights)

    def at(self, draws: Array, place: Array) -> tuple[float, float]:
        """The statistic and its p-value for draws (n, D) of the observation at `place` (d,)."""
        z = (draws - draws.mean(0)) / draws.std(0)
        features = _features(z, np.broadcast_to(place, (len(z), len(place))))
        excess = np.clip((features - self.mean) / self.scale @ self.weights, -0.5, 0.5)
        found = (excess**2).mean(0)
        return float(found[0]), float((1 + (found[1:] >= found[0]).sum()) / len(found))


def _features(z: Array, place: Array) -> Array:
    """z_i and z_i z_j, alone and times each coordinate of the data, (n, D) and (n, d) -> (n, F)."""
    rows, columns = np.triu_indices(z.shape[1])
    own = np.concatenate([z, z[:, rows] * z[:, columns]], 1)
    mixed = (own[:, :, None] * place[:, None]).reshape(len(z), -1)
    return np.concatenate([own, mixed], 1)


__all__ = ["Axes", "Nearby", "nearby"]
