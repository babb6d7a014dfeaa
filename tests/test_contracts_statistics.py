"""Laws that every statistic obeys. A new one is tested as soon as its file exists."""

from __future__ import annotations

import numpy as np
import pytest

from gaussian_maps import SIDE, grid, smooth, white
from sbipipe import plugins, statistics
from sbipipe.interfaces import Array
from sbipipe.records import InputError
from sbipipe.statistics import Axis, Kind, Resolution, Statistic

RESOLUTION = Resolution(bands=12, thresholds=8)
RESOLUTIONS = (RESOLUTION, Resolution(bands=None, thresholds=8))
DATA = grid(channels=2, box=100.0)
ODD = {
    "zero": np.zeros((SIDE, SIDE)),
    "constant": np.full((SIDE, SIDE), -7.5),
    "huge": np.eye(SIDE) * 1e6,
    "checkerboard": (-1.0) ** np.add.outer(np.arange(SIDE), np.arange(SIDE)),
    "heavy-tailed": np.random.default_rng(0).pareto(1.0, (SIDE, SIDE)),
}


def two_channels(count: int, seed: int = 1) -> Array:
    """The second channel is skewed, and on another scale."""
    maps = smooth(count, seed)[0]
    return np.concatenate([maps, 20 * np.exp(maps)], axis=1)


@pytest.fixture(params=plugins.statistics())
def kind(request: pytest.FixtureRequest) -> type[Statistic]:
    return plugins.statistic(request.param)


@pytest.fixture(params=RESOLUTIONS, ids=["few", "whole"])
def statistic(kind: type[Statistic], request: pytest.FixtureRequest) -> Statistic:
    return kind.of(two_channels(6), DATA, request.param)


def test_every_value_has_a_place_a_name_and_a_kind(statistic: Statistic) -> None:
    values, axes = statistic.measure(two_channels(3), DATA), statistic.axes(DATA)
    assert values.shape == (3, sum(len(axis.x) for axis in axes))
    for axis in axes:
        assert len(axis.x) == len(axis.names) == len(axis.kinds) > 0
        assert len(axis.ticks) in {0, len(axis.x)}
    assert [axis.channel for axis in axes] == sorted(axis.channel for axis in axes)
    assert len({(axis.channel, axis.curve) for axis in axes}) == len(axes)
    assert len({(axis.channel, name) for axis in axes for name in axis.names}) == values.shape[1]
    assert statistic.title


def test_values_are_natural(statistic: Statistic) -> None:
    """Counts are whole, and powers are not negative."""
    values, axes = statistic.measure(two_channels(3), DATA), statistic.axes(DATA)
    kinds = np.array([kind.name for axis in axes for kind in axis.kinds])
    counts = values[:, kinds == Kind.COUNT.name]
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
    assert (values[:, (kinds == Kind.POWER.name) | (kinds == Kind.COUNT.name)] >= 0).all()


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=["few", "whole"])
@pytest.mark.parametrize("name", plugins.statistics_of(grid()))
def test_a_channel_does_not_know_the_other(name: str, resolution: Resolution) -> None:
    kind = plugins.statistic(name)
    x, one = two_channels(5), grid(box=100.0)
    both = kind.of(x, DATA, resolution)
    apart = [kind.of(x[:, [c]], one, resolution) for c in range(2)]
    expected = np.concatenate([alone.measure(x[:, [c]], one) for c, alone in enumerate(apart)], 1)
    np.testing.assert_array_equal(both.measure(x, DATA), expected)
    names = [axis.names for alone in apart for axis in alone.axes(one)]
    assert [axis.names for axis in both.axes(DATA)] == names


def test_a_field_does_not_know_the_others(statistic: Statistic) -> None:
    x = two_channels(4, seed=2)
    alone = np.concatenate([statistic.measure(row[None], DATA) for row in x])
    np.testing.assert_array_equal(statistic.measure(x, DATA), alone)


def test_arrays_restore_the_statistic(kind: type[Statistic], statistic: Statistic) -> None:
    restored = statistics.restored(kind, statistics.arrays(statistic), 2)
    x = two_channels(3, seed=2)
    np.testing.assert_array_equal(restored.measure(x, DATA), statistic.measure(x, DATA))


@pytest.mark.parametrize("field", ODD.values(), ids=ODD.keys())
def test_every_field_has_finite_values(statistic: Statistic, field: Array) -> None:
    axes = statistic.axes(DATA)
    values = statistic.measure(np.stack([field, field])[None], DATA)
    assert np.isfinite(values).all()
    assert np.isfinite(statistics.stabilised(values, axes)).all()


# Fields whose sides do not meet

PATCH = grid(channels=2, box=100.0, periodic=False)


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=["few", "whole"])
def test_periodic_fields_say_the_same_where_nobody_knows(
    kind: type[Statistic], resolution: Resolution
) -> None:
    """On average, of white noise; but for the modes on which the mean weighs, and for peaks on the
    border, an eighth of all."""
    f, g = white(150, seed=1), white(150, seed=2)
    x = np.concatenate([np.exp(0.5 * f), np.exp(0.5 * f) + g], 1)
    assert kind.obstacle(DATA) == kind.obstacle(PATCH) == ""
    whole, within = (kind.of(x, data, resolution).measure(x, data) for data in (DATA, PATCH))
    error = np.hypot(whole.std(0), within.std(0)) / np.sqrt(len(x))
    differ = np.abs(whole.mean(0) - within.mean(0))
    assert (differ < 4 * error + 0.13 * np.abs(whole.mean(0))).all()


@pytest.mark.parametrize(
    ("name", "margin"), [("peak_counts", 1), ("minkowski", 2), ("moments", 2), ("pixel_density", 0)]
)
def test_a_map_is_measured_where_its_surroundings_are_known(name: str, margin: int) -> None:
    """A periodic map has the values of the same map with a margin of its other side around it."""
    x = two_channels(5)
    around = np.pad(x, ((0, 0), (0, 0), *[(margin, margin)] * 2), "wrap")
    patch = grid(SIDE + 2 * margin, channels=2, periodic=False)
    statistic = plugins.statistic(name).of(x, DATA, RESOLUTION)
    found, expected = statistic.measure(around, patch), statistic.measure(x, DATA)
    names = [label for axis in statistic.axes(DATA) for label in axis.names]
    there = np.array([label != "mean" for label in names])  # the mean is that of all pixels
    np.testing.assert_allclose(found[:, there], expected[:, there], rtol=1e-9)


def test_nothing_is_known_of_what_lies_beyond(kind: type[Statistic]) -> None:
    """A field that repeats is not known to: its shifted image is another field."""
    x = two_channels(3)
    statistic = kind.of(x, PATCH, RESOLUTION)
    before, after = (statistic.measure(one, PATCH) for one in (x, np.roll(x, SIDE // 2, -1)))
    assert np.allclose(before, after) == (kind.title == "pixel density")


# The folder


def test_the_first_are_shown_in_a_fixed_order() -> None:
    found = plugins.statistics()
    assert found[: len(plugins.SHOWN_FIRST)] == plugins.SHOWN_FIRST
    assert not any(name.startswith("_") for name in found)
    titles = [plugins.statistic(name).title for name in found]
    assert len(set(titles)) == len(titles)


def test_an_unknown_statistic_names_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"given 'power'; allowed: bispectrum, .*minkowski"):
        plugins.statistic("power")


def test_values_are_stabilised_by_what_they_are() -> None:
    axis = Axis(
        curve="all",
        channel=0,
        x=np.arange(4.0),
        x_label="",
        y_label="",
        names=("power", "nothing", "count", "number"),
        kinds=(Kind.POWER, Kind.POWER, Kind.COUNT, Kind.NUMBER),
    )
    values = np.array([[np.e, 0.0, 9.0, -3.0]])
    expected = [[1, np.log(statistics.TINY), 2 * np.sqrt(9.375), -3]]
    np.testing.assert_allclose(statistics.stabilised(values, [axis]), expected)
    assert values[0, 2] == 9
    names = ("log power", "log nothing", "count", "number")
    assert statistics.stabilised_names([axis]) == names


@pytest.mark.parametrize("mean", [4.0, 30.0])
def test_stabilised_counts_scatter_by_one(mean: float) -> None:
    counts = np.random.default_rng(0).poisson(mean, (40_000, 1))
    axis = Axis(
        curve="n", channel=0, x=np.zeros(1), x_label="", y_label="", names=("n",),
        kinds=(Kind.COUNT,),
    )  # fmt: skip
    assert statistics.stabilised(counts, [axis]).std() == pytest.approx(1, abs=0.04)
