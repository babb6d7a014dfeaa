"""Laws that every summary obeys. A new kind is tested as soon as its file exists."""

from typing import Any

import numpy as np
import pytest

from rows import rows_of
from sbipipe import plugins, storage
from sbipipe.interfaces import Dataset, Run, Summariser, Summary
from sbipipe.plugins import kinds

KINDS = kinds("summaries")
ON_VECTORS = {"identity"}
QUICK: dict[str, dict[str, Any]] = {
    "cnn": {"channels": [4, 8], "optimisation": {"epochs": 2, "batch": 16}},
}


def dataset(kind: str, n: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    theta = rng.uniform(0.5, 1.5, size=(n, 2))
    shape = (n, 5) if kind in ON_VECTORS else (n, 1, 16, 16)
    column = (n, *(1,) * (len(shape) - 1))
    x = theta[:, 0].reshape(column) * rng.normal(size=shape) + theta[:, 1].reshape(column)
    return rows_of(theta=theta, x=x.astype(np.float32), group=np.arange(n))


def summary(kind: str) -> Summary:
    made: Summary = plugins.make("summarise", kind, QUICK.get(kind, {}), f"summarise.{kind}")
    return made


def fitted(kind: str, seed: int = 7) -> Summariser:
    train, valid = dataset(kind, 48, seed=1), dataset(kind, 16, seed=2)
    return summary(kind).fit(train, valid, Run(seed=seed))[0]


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def summariser(kind: str) -> Summariser:
    return fitted(kind)


def test_fields_become_finite_named_vectors(kind: str, summariser: Summariser):
    x = dataset(kind, 6, seed=3).x
    vectors = summariser(x)
    assert vectors.shape == (6, len(summariser.names))
    assert len(set(summariser.names)) == len(summariser.names)
    assert np.issubdtype(vectors.dtype, np.floating)
    assert np.isfinite(vectors).all()
    assert summariser(x[:0]).shape == (0, len(summariser.names))


def test_a_row_does_not_know_its_neighbours(kind: str, summariser: Summariser):
    x = dataset(kind, 6, seed=3).x
    alone = np.concatenate([summariser(row[None]) for row in x])
    np.testing.assert_allclose(summariser(x), alone, rtol=1e-5, atol=1e-5)


def test_components_vary(kind: str, summariser: Summariser):
    assert np.all(summariser(dataset(kind, 48, seed=1).x).std(0) > 0)


def test_equal_seeds_give_equal_weights(kind: str, summariser: Summariser):
    again = fitted(kind).weights
    assert again.meta == summariser.weights.meta
    assert again.arrays.keys() == summariser.weights.arrays.keys()
    for name, array in summariser.weights.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def test_weights_restore_the_summary(kind: str, summariser: Summariser, tmp_path):
    storage.save_weights(tmp_path / "weights.safetensors", summariser.weights)
    weights = storage.load_weights(tmp_path / "weights.safetensors")
    restored = summary(kind).restore(weights)
    x = dataset(kind, 6, seed=3).x
    np.testing.assert_array_equal(restored(x), summariser(x))
    assert restored.names == summariser.names


def test_inputs_are_left_alone(kind: str, summariser: Summariser):
    data = dataset(kind, 48, seed=1)
    before = data.theta.copy(), data.x.copy()
    for array in (data.theta, data.x):
        array.flags.writeable = False
    summary(kind).fit(data, data, Run(seed=1))
    summariser(data.x)
    np.testing.assert_array_equal(data.theta, before[0])
    np.testing.assert_array_equal(data.x, before[1])
