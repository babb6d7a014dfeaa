"""Distances between posteriors against their closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closed_form import fail, gaussian
from sbipipe.posteriors.compare import compare, compare_pair, join, kl_from_exact, to_table
from sbipipe.posteriors.comparison import Comparison
from sbipipe.records import InputError, dump, load


def estimators():
    """The exact posterior, one of 0.7 its width and one shifted by half of it."""
    return {
        "exact": gaussian(100, 1),
        "narrow": gaussian(100, 1, scale=0.7),
        "shifted": gaussian(100, 1, shift=0.5),
    }


def pair(comparison, a, b):
    (found,) = [p for p in comparison.pairs if (p.a, p.b) == (a, b)]
    return found


def test_shifts_and_widths_of_pairs():
    comparison = compare("sims", estimators(), np.random.default_rng(1), observations=5)
    narrow = pair(comparison, "exact", "narrow")
    assert narrow.width_ratio == pytest.approx(1 / 0.7, rel=0.02)
    shifted = pair(comparison, "exact", "shifted")
    assert shifted.shift_sigma == pytest.approx(0.5, abs=0.03)
    for values in shifted.by_parameter.values():
        assert values.signed_shift_sigma == pytest.approx(-0.5, abs=0.03)
    assert shifted.c2st_observations == 5
    assert shifted.observations == 100


def test_a_pair_does_not_depend_on_the_other_estimators():
    everything = compare("sims", estimators(), np.random.default_rng(1), observations=3)
    two = {name: estimators()[name] for name in ("exact", "shifted")}
    fewer = compare("sims", two, np.random.default_rng(1), observations=3)
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
    draws = {"exact": gaussian(30, 1)}
    plain = dump(compare("sims", draws, np.random.default_rng(0), kl={"exact": kl}))
    assert plain["estimators"]["exact"]["kl_from_exact"]["mean"] is None
    with pytest.raises(ValueError, match="allowed: the same shape"):
        kl_from_exact(exact, other[:5])


def test_the_table_says_what_the_record_says():
    draws = estimators() | {"broken": fail(gaussian(100, 1), slice(0, 10))}
    comparison = compare(
        "sims", draws, np.random.default_rng(3), observations=2, train_seconds={"exact": 1.5}
    )
    table = to_table(comparison).set_index(["estimator", "other", "quantity", "parameter"])
    narrow = comparison.estimators["narrow"]
    assert tuple(table.loc["narrow", "", "mean_abs_z", "omega_m"]) == (
        narrow.mean_abs_z["omega_m"],
        narrow.mean_abs_z_se["omega_m"],
    )
    assert table.loc[("exact", "", "train_seconds", ""), "value"] == 1.5
    found = pair(comparison, "exact", "narrow")
    assert tuple(table.loc["exact", "narrow", "c2st", ""]) == (found.c2st, found.c2st_se)
    assert pair(comparison, "exact", "broken").observations == 90


def test_what_is_dumped_is_loaded():
    comparison = compare("sims", estimators(), np.random.default_rng(3), observations=2)
    assert load(Comparison, dump(comparison), "comparison.json") == comparison


def test_comparisons_on_several_simulators_are_joined():
    one, two = (
        compare(name, {f"{name}_a": gaussian(n, n), f"{name}_b": gaussian(n, n, scale=0.9)},
                np.random.default_rng(n), observations=2)
        for name, n in (("sims", 30), ("others", 40))
    )  # fmt: skip
    both = join([one, two])
    assert list(both.estimators) == ["sims_a", "sims_b", "others_a", "others_b"]
    assert both.pairs == one.pairs + two.pairs
    assert {name: found.n_test for name, found in both.simulators.items()} == {
        "sims": 30,
        "others": 40,
    }


def test_estimators_must_share_their_simulations():
    other = gaussian(100, 2)
    with pytest.raises(InputError, match="b and a were drawn for different simulations"):
        compare("sims", {"a": gaussian(100, 1), "b": other}, np.random.default_rng(0))
    renamed = replace(gaussian(100, 1), parameters=("p", "q"))
    with pytest.raises(InputError, match="b has parameters"):
        compare("sims", {"a": gaussian(100, 1), "b": renamed}, np.random.default_rng(0))
    with pytest.raises(InputError, match="no estimator"):
        compare("sims", {}, np.random.default_rng(0))


def test_nats_between_two_estimators_are_paired():
    """The same truths under two posteriors: the error is that of the difference, far below those of
    the two."""
    exact, wide = gaussian(400, 0), gaussian(400, 0, scale=1.1)
    pair = compare_pair("exact", exact, "wide", wide, np.random.default_rng(0))
    assert pair.nats is not None
    each = exact.log_prob_truth - wide.log_prob_truth
    assert pair.nats.mean == pytest.approx(each.mean())
    assert pair.nats.se == pytest.approx(each.std() / np.sqrt(len(each)))
    apart = np.hypot(exact.log_prob_truth.std(), wide.log_prob_truth.std()) / np.sqrt(len(each))
    assert pair.nats.se < apart / 5
