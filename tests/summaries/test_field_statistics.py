import joblib
import numpy as np
import pytest

from rows import rows_of
from sbipipe.config import parse
from sbipipe.interfaces import Dataset, InputError, Run
from sbipipe.statistics.lensing_statistics import STATISTICS
from sbipipe.summaries import field_statistics
from sbipipe.summaries.field_statistics import FieldStatistics


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


@pytest.mark.parametrize("shape", [(4, 7), (4, 1, 16, 8), (4, 1, 16, 16, 16), (4, 1, 4, 4)])
def test_data_that_are_no_square_maps_are_refused(shape: tuple[int, ...]):
    data = dataset(*shape)
    with pytest.raises(InputError, match=r"given fields with shape \(N, .*allowed: square maps"):
        FieldStatistics().fit(data, data, Run(seed=1))


def test_maps_of_another_side_are_refused():
    data = dataset(4, 1, 16, 16)
    summariser, _ = FieldStatistics().fit(data, data, Run(seed=1))
    with pytest.raises(InputError, match=r"given \(channels, side\) \(1, 32\); allowed: \(1, 16\)"):
        summariser(dataset(2, 1, 32, 32).x)
    with pytest.raises(InputError, match="NaN or inf"):
        summariser(np.full((2, 1, 16, 16), np.nan))


def test_an_unknown_statistic_names_those_that_exist():
    with pytest.raises(InputError, match="minkowski") as error:
        parse(FieldStatistics, {"statistics": ["power"]}, "summarise.a.config")
    assert "summarise.a.config.statistics" in str(error.value)
    assert parse(FieldStatistics, {}, "a").statistics == STATISTICS
