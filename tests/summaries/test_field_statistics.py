from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest

from rows import described, rows_of
from sbipipe import plugins, storage
from sbipipe.interfaces import Dataset, Run
from sbipipe.records import InputError, parse
from sbipipe.summaries import field_statistics
from sbipipe.summaries.field_statistics import DEFAULT, FieldStatistics

HERE = Path(__file__).parent


def dataset(*shape: int, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype(np.float32)
    return rows_of(theta=rng.normal(size=(len(x), 2)), x=x, group=np.arange(len(x)))


def test_workers_change_nothing(monkeypatch):
    monkeypatch.setattr(field_statistics, "CHUNK", 5)
    data = dataset(12, 1, 16, 16)
    summariser, _ = FieldStatistics().fit(data, data, Run(seed=1))
    alone = summariser(data.x)
    with joblib.parallel_config(n_jobs=2):
        np.testing.assert_array_equal(summariser(data.x), alone)


def test_statistics_come_in_the_order_asked_for():
    data = dataset(6, 1, 16, 16)
    one, _ = FieldStatistics(statistics=("moments", "power_spectrum")).fit(data, data, Run(seed=1))
    two, _ = FieldStatistics(statistics=("power_spectrum", "moments")).fit(data, data, Run(seed=1))
    order = [two.names.index(name) for name in one.names]
    assert one.names[0] == "mean"
    np.testing.assert_array_equal(one(data.x), two(data.x)[:, order])
    np.testing.assert_allclose(one(data.x)[:, 0], data.x.mean((1, 2, 3)), atol=1e-7)


def test_thresholds_come_from_train_alone():
    train, other = dataset(6, 1, 16, 16), dataset(6, 1, 16, 16, seed=1)
    one, _ = FieldStatistics().fit(train, train, Run(seed=1))
    two, _ = FieldStatistics().fit(train, other, Run(seed=2))
    np.testing.assert_array_equal(one(other.x), two(other.x))


def test_channels_are_measured_one_by_one():
    data = dataset(6, 2, 16, 16)
    both, _ = FieldStatistics().fit(data, data, Run(seed=1))
    halves = [data.rows(slice(None)).x[:, [channel]] for channel in range(2)]
    alone = []
    for x in halves:
        half = rows_of(theta=data.theta, x=x, group=data.group)
        alone.append(FieldStatistics().fit(half, half, Run(seed=1))[0](x))
    np.testing.assert_array_equal(both(data.x), np.concatenate(alone, 1))
    assert both.names[0].startswith("channel 0: log power")


def test_a_shift_a_rotation_and_a_reflection_change_nothing():
    """All but the bispectrum, whose triangles lenstools rounds in one direction."""
    data = dataset(4, 1, 16, 16)
    statistics = ("power_spectrum", "peak_counts", "minkowski", "moments")
    summariser, _ = FieldStatistics(statistics=statistics).fit(data, data, Run(seed=1))
    expected = summariser(data.x)
    for moved in (
        np.roll(data.x, (3, 5), (2, 3)),
        np.rot90(data.x, axes=(2, 3)),
        data.x[..., ::-1],
    ):
        np.testing.assert_allclose(summariser(moved), expected, rtol=1e-4, atol=1e-5)


def test_numbers_and_weights_of_earlier_versions_stay():
    """Weights and vectors were written before the statistics had files of their own."""
    rng = np.random.default_rng(7)
    x = np.exp(0.5 * rng.standard_normal((8, 2, 16, 16))).astype(np.float32)
    data = rows_of(theta=rng.normal(size=(8, 2)), x=x)
    weights = storage.load_weights(HERE / "before_pixels.safetensors")
    before = storage.load_weights(HERE / "before_pixels_vectors.safetensors")
    summary = FieldStatistics(bins=12, thresholds=6, reference=5)
    for summariser in (summary.restore(weights), summary.fit(data, data, Run(seed=1))[0]):
        np.testing.assert_allclose(summariser(x[:3]), before.arrays["vectors"], rtol=1e-12)
        assert list(summariser.names) == before.meta["names"]


def test_every_statistic_that_exists_can_be_asked_for():
    data = dataset(12, 2, 16, 16)
    summary = parse(FieldStatistics, {"statistics": list(plugins.statistics())}, "a")
    summariser, _ = summary.fit(data, data, Run(seed=1))
    vectors = summariser(data.x)
    assert vectors.shape == (12, len(summariser.names))
    assert len(set(summariser.names)) == len(summariser.names)
    assert np.isfinite(vectors).all()


def test_the_power_spectrum_of_boxes_is_a_summary_of_its_own():
    data = dataset(4, 1, 8, 8, 8)
    summary = FieldStatistics(statistics=("power_spectrum", "pixel_density"))
    summariser, _ = summary.fit(data, data, Run(seed=1))
    again = summary.restore(summariser.weights)
    np.testing.assert_array_equal(again(data.x), summariser(data.x))


@pytest.mark.parametrize("shape", [(4, 1, 16, 8), (4, 1, 16, 16, 16), (4, 1, 4, 4)])
def test_data_that_are_no_square_maps_are_refused(shape: tuple[int, ...]):
    data = dataset(*shape)
    words = r"field_statistics: moments: given (maps|boxes) of .*allowed: square maps"
    with pytest.raises(InputError, match=words) as error:
        FieldStatistics().fit(data, data, Run(seed=1))
    assert len(error.value.problems) in {4, 5}


def test_vectors_are_refused():
    data = dataset(4, 7)
    with pytest.raises(InputError, match="given vectors of 7 components; allowed: fields"):
        FieldStatistics().fit(data, data, Run(seed=1))


def test_whether_sides_meet_is_kept():
    data = dataset(8, 1, 16, 16)
    patch = replace(data, data=described(data.x, periodic=False))
    whole, within = (FieldStatistics().fit(one, one, Run(seed=1))[0] for one in (data, patch))
    again = FieldStatistics().restore(within.weights)
    np.testing.assert_array_equal(again(data.x), within(data.x))
    assert not np.allclose(whole(data.x)[:, 0], within(data.x)[:, 0])


def test_maps_of_another_side_are_refused():
    data = dataset(4, 1, 16, 16)
    summariser, _ = FieldStatistics().fit(data, data, Run(seed=1))
    words = r"given fields with shape \(N, 1, 32, 32\); allowed: \(N, 1, 16, 16\)"
    with pytest.raises(InputError, match=words):
        summariser(dataset(2, 1, 32, 32).x)
    with pytest.raises(InputError, match="NaN or inf"):
        summariser(np.full((2, 1, 16, 16), np.nan))


def test_an_unknown_statistic_names_those_that_exist():
    with pytest.raises(InputError, match="minkowski") as error:
        parse(FieldStatistics, {"statistics": ["power"]}, "summarise.a.config")
    (line,) = error.value.problems
    allowed = ", ".join(plugins.statistics())
    words = f'given ["power"]; power does not exist; allowed: {allowed}'
    assert line == f"summarise.a.config.statistics: {words}"
    assert parse(FieldStatistics, {}, "a").statistics == DEFAULT
