"""KS and AD are those of the literature, hold their rate where fields share a simulation, and find
what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sbipipe.emulation.distributions import NAMES, departures, distances, similarity
from sbipipe.emulation.exchanges import divisions
from sbipipe.interfaces import Array


def normal(
    seed: int, simulations: int = 40, each: int = 5, length: int = 6, shared: float = 0.0
) -> Array:
    """Values (G, e, L) of unit variance, of which fields of one simulation share a part."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((simulations, each, length))
    common = rng.standard_normal((simulations, 1, length))
    return np.sqrt(1 - shared) * own + np.sqrt(shared) * common


def brute(a: Array, b: Array) -> float:
    """A^2 by the sum of Scholz & Stephens over all values, where ties count together."""
    values = np.concatenate([a, b])
    n, N = len(a), len(values)
    total = 0.0
    for value in np.unique(values)[:-1]:
        B, M = (values <= value).sum(), (a <= value).sum()
        total += (values == value).sum() * (N * M - n * B) ** 2 / (B * (N - B)) / N / n
        total += (values == value).sum() * (N * (B - M) - n * B) ** 2 / (B * (N - B)) / N / n
    return total


@pytest.mark.parametrize("digits", [8, 1])
def test_distances_are_those_of_the_literature(digits: int) -> None:
    """With one digit most values are tied."""
    a, b = np.round(normal(0), digits), np.round(normal(1), digits) + 0.2
    found = distances(a, b, divisions(40, np.random.default_rng(0), 5))
    for i in range(6):
        one, other = a[..., i].ravel(), b[..., i].ravel()
        assert found.ks[0, i] == pytest.approx(stats.ks_2samp(one, other).statistic)
        assert found.ad[0, i] == pytest.approx(brute(one, other))


def test_a_division_moves_whole_simulations() -> None:
    """Its distances are those of the two samples that it makes."""
    a, b = normal(0), normal(1)
    signs = divisions(40, np.random.default_rng(0), 3)
    found, both = distances(a, b, signs), np.concatenate([a, b])
    for i, row in enumerate(signs):
        again = distances(both[row > 0], both[row < 0], signs[:1])
        np.testing.assert_allclose(again.ks[0], found.ks[i])
        np.testing.assert_allclose(again.ad[0], found.ad[i])


@pytest.mark.parametrize("generated", [0.5, 0.0], ids=["simulations", "independent"])
def test_one_distribution_passes_at_its_rate(generated: float) -> None:
    """Where true fields of a simulation share half of their variance, and generated ones as much or
    nothing: of 100 repeats with 6 components, p is uniform. Exchanged one by one, fields would be
    told apart in a third of them."""
    rng = np.random.default_rng(0)
    found: dict[str, list[Array]] = {name: [] for name in NAMES}
    largest: dict[str, list[float]] = {name: [] for name in NAMES}
    for seed in range(100):
        a = normal(2 * seed, 30, 5, 6, generated)
        b = normal(2 * seed + 1, 30, 5, 6, 0.5)
        for name, one in departures(a, b, rng).items():
            found[name].append(one.p)
            largest[name].append(one.p_largest)
    for name in NAMES:
        assert abs((np.concatenate(found[name]) < 0.1).mean() - 0.1) < 4 * np.sqrt(0.09 / 600)
        assert (np.array(largest[name]) < 0.05).sum() <= 13  # 99.9 % of a binomial of 100


@pytest.mark.parametrize("change", ["shifted", "narrower", "skewed"])
def test_another_distribution_is_found(change: str) -> None:
    a, b = normal(0, 100), normal(1, 100)
    changed = {"shifted": a + 0.4, "narrower": 0.6 * a, "skewed": np.expm1(a) / 1.5}[change]
    one = np.concatenate([a[..., :5], changed[..., 5:]], -1)
    for found in departures(one, b, np.random.default_rng(0)).values():
        assert found.p[5] == pytest.approx(0.002, abs=0.008)
        assert found.p_largest == pytest.approx(0.002, abs=0.008)
        assert found.distance[5] > found.expected[5]


def test_similar_histograms_have_scores_near_one_and_others_do_not() -> None:
    rng = np.random.default_rng(0)
    a, b = normal(0, 1000), normal(1, 1000)
    for score in similarity(a, b, rng):
        assert (score > 0.5).all()
    for score in similarity(0.5 * a, b, rng):
        assert (score < 0.3).all()
    for score in similarity(a, a, rng):
        np.testing.assert_allclose(score, 1)
