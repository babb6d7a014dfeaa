"""Distances between posteriors against their closed forms."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import fail, gaussian
from sbipipe.interfaces import InputError
from sbipipe.posteriors.comparison import c2st, compare, kl_from_exact, to_json, to_long, to_table


def accuracy(first, second, repeats=8):
    return np.mean([c2st(first(s), second(100 + s), s) for s in range(repeats)])


def normal(scale=1.0, shift=0.0, dimension=2):
    return lambda seed: (
        shift + scale * np.random.default_rng(seed).standard_normal((1000, dimension))
    )


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_equal_samples_cannot_be_told_apart(dimension):
    same = normal(dimension=dimension)
    assert accuracy(same, same) == pytest.approx(0.5, abs=0.015)


def test_repeated_draws_are_no_difference():
    def repeated(seed):
        rng = np.random.default_rng(seed)
        return rng.standard_normal((250, 2))[rng.integers(0, 250, 1000)]

    assert accuracy(repeated, normal()) < 0.56


@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0])
def test_accuracy_for_shifted_gaussians_is_the_best_possible(shift):
    best = stats.norm.cdf(shift * np.sqrt(2) / 2)
    assert accuracy(normal(), normal(shift=shift)) == pytest.approx(best, abs=0.017)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_accuracy_for_narrowed_gaussians_is_the_best_possible(dimension):
    """The best classifier cuts where the densities cross, r^2 = 2 D log(1/s) / (1/s^2 - 1)."""
    chi2, s = stats.chi2(dimension), 0.7
    cut = 2 * dimension * np.log(1 / s) / (1 / s**2 - 1)
    best = (chi2.sf(cut) + chi2.cdf(cut / s**2)) / 2
    found = accuracy(normal(dimension=dimension), normal(scale=s, dimension=dimension))
    assert found == pytest.approx(best, abs=0.02)


def test_two_modes_are_told_from_one_of_equal_mean_and_covariance():
    """Best possible: 0.757, by integrating the larger density."""

    def two(seed):
        rng = np.random.default_rng(seed)
        centre = np.stack([np.where(rng.random(1000) < 0.5, -1, 1), np.zeros(1000)], 1)
        return centre + 0.25 * rng.standard_normal((1000, 2))

    def one(seed):
        rng = np.random.default_rng(seed)
        return rng.standard_normal((1000, 2)) * np.sqrt([1 + 0.25**2, 0.25**2])

    assert accuracy(two, one) == pytest.approx(0.757, abs=0.03)


def estimators():
    """The exact posterior, one of 0.7 its width and one shifted by half of it."""
    return {
        "exact": gaussian(100, 1),
        "narrow": gaussian(100, 1, scale=0.7),
        "shifted": gaussian(100, 1, shift=0.5),
    }


def pair(comparison, a, b):
    (found,) = [p for p in to_json(comparison)["pairs"] if (p["a"], p["b"]) == (a, b)]
    return found


def test_shifts_and_widths_of_pairs():
    comparison = compare(estimators(), np.random.default_rng(1), observations=5)
    narrow = pair(comparison, "exact", "narrow")
    assert narrow["width_ratio"] == pytest.approx(1 / 0.7, rel=0.02)
    shifted = pair(comparison, "exact", "shifted")
    assert shifted["shift_sigma"] == pytest.approx(0.5, abs=0.03)
    for values in shifted["by_parameter"].values():
        assert values["signed_shift_sigma"] == pytest.approx(-0.5, abs=0.03)
    assert shifted["c2st_observations"] == 5
    assert shifted["observations"] == 100


def test_a_pair_does_not_depend_on_the_other_estimators():
    everything = compare(estimators(), np.random.default_rng(1), observations=3)
    two = {name: estimators()[name] for name in ("exact", "shifted")}
    fewer = compare(two, np.random.default_rng(1), observations=3)
    assert pair(everything, "exact", "shifted") == pair(fewer, "exact", "shifted")


def test_kl_of_gaussians():
    """KL(N(0, 1) || N(m, s^2)) = log s + (1 + m^2) / 2 s^2 - 1/2."""
    draws = np.random.default_rng(2).standard_normal((4000, 50))
    kl, each = kl_from_exact(stats.norm.logpdf(draws), stats.norm(0.3, 1.2).logpdf(draws))
    expected = np.log(1.2) + (1 + 0.3**2) / (2 * 1.2**2) - 0.5
    assert kl.mean == pytest.approx(expected, abs=4 * kl.se)
    assert each.shape == (50,)


def test_an_infinite_kl_is_reported_as_such():
    exact, other = np.zeros((10, 4)), np.zeros((10, 4))
    other[3, 1], other[:, 2] = -np.inf, np.nan
    kl, each = kl_from_exact(exact, other)
    assert each[1] == np.inf
    assert (kl.mean, kl.finite_mean, kl.infinite, kl.failed, kl.count) == (np.inf, 0, 1, 1, 3)
    entry = to_json(compare({"exact": gaussian(30, 1)}, np.random.default_rng(0), kl={"exact": kl}))
    assert entry["estimators"]["exact"]["kl_from_exact"]["mean"] is None
    with pytest.raises(ValueError, match="allowed: the same shape"):
        kl_from_exact(exact, other[:5])


def test_tables_and_json_say_the_same():
    draws = estimators() | {"broken": fail(gaussian(100, 1), slice(0, 10))}
    comparison = compare(
        draws, np.random.default_rng(3), observations=2, train_seconds={"exact": 1.5}
    )
    values = to_json(comparison)
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    table = to_table(comparison).set_index("estimator")
    assert list(table.index) == list(draws)
    assert (
        table.loc["narrow", "mean_abs_z_omega_m"]
        == values["estimators"]["narrow"]["mean_abs_z"]["omega_m"]
    )
    long = to_long(comparison)
    assert list(long) == ["estimator", "other", "quantity", "parameter", "value", "se"]
    chosen = long.query("estimator == 'exact' and other == 'narrow' and quantity == 'c2st'")
    assert chosen["value"].item() == pair(comparison, "exact", "narrow")["c2st"]
    assert pair(comparison, "exact", "broken")["observations"] == 90


def test_estimators_must_share_their_simulations():
    other = gaussian(100, 2)
    with pytest.raises(InputError, match="b and a were drawn for different simulations"):
        compare({"a": gaussian(100, 1), "b": other}, np.random.default_rng(0))
    renamed = replace(gaussian(100, 1), parameters=("p", "q"))
    with pytest.raises(InputError, match="b has parameters"):
        compare({"a": gaussian(100, 1), "b": renamed}, np.random.default_rng(0))
    with pytest.raises(InputError, match="no estimator"):
        compare({}, np.random.default_rng(0))
