"""Laws that every summary obeys, on vectors and on fields if it takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from contracts import kinds, quick, taken
from rows import rows_of
from sbipipe import storage
from sbipipe.interfaces import Dataset, Run
from sbipipe.protocols import Summariser, Summary

SHAPES = (5,), (1, 16, 16)
"""Of the rows that every kind is offered."""


def dataset(shape: tuple[int, ...], n: int, seed: int) -> Dataset:
    """Noise whose amplitude and mean are the parameters."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform(0.5, 1.5, size=(n, 2))
    column = (n, *(1,) * len(shape))
    x = theta[:, 0].reshape(column) * rng.normal(size=(n, *shape)) + theta[:, 1].reshape(column)
    return rows_of(theta, x.astype(np.float32))


def fitted(kind: str, shape: tuple[int, ...], seed: int = 7) -> Summariser:
    summary: Summary = quick("summarise", kind)
    return summary.fit(dataset(shape, 48, 1), dataset(shape, 16, 2), Run(seed=seed))[0]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind on rows of a shape it takes."""

    kind: str
    shape: tuple[int, ...]
    summariser: Summariser

    @property
    def x(self) -> np.ndarray:
        """Rows that it was not fitted to."""
        return dataset(self.shape, 6, 3).x


@pytest.fixture(scope="module", params=kinds("summarise"))
def cases(request: pytest.FixtureRequest) -> list[Case]:
    """One kind on every shape it takes."""
    kind = request.param
    return [
        Case(kind=kind, shape=shape, summariser=summariser)
        for shape, summariser in taken(lambda shape: fitted(kind, shape), SHAPES)
    ]


def test_rows_become_finite_named_vectors(cases: list[Case]) -> None:
    for case in cases:
        vectors, names = case.summariser(case.x), case.summariser.names
        assert vectors.shape == (6, len(names))
        assert len(set(names)) == len(names)
        assert np.issubdtype(vectors.dtype, np.floating)
        assert np.isfinite(vectors).all()
        assert case.summariser(case.x[:0]).shape == (0, len(names))


def test_a_row_does_not_know_its_neighbours(cases: list[Case]) -> None:
    for case in cases:
        alone = np.concatenate([case.summariser(row[None]) for row in case.x])
        np.testing.assert_allclose(case.summariser(case.x), alone, rtol=1e-5, atol=1e-5)


def test_components_vary(cases: list[Case]) -> None:
    for case in cases:
        assert np.all(case.summariser(dataset(case.shape, 48, 1).x).std(0) > 0)


def test_equal_seeds_give_equal_weights(cases: list[Case]) -> None:
    for case in cases:
        again, before = fitted(case.kind, case.shape).weights, case.summariser.weights
        assert again.meta == before.meta
        assert again.arrays.keys() == before.arrays.keys()
        for name, array in before.arrays.items():
            np.testing.assert_array_equal(again.arrays[name], array)


def test_weights_restore_the_summary(cases: list[Case], tmp_path: Path) -> None:
    for case in cases:
        storage.save_weights(tmp_path / "weights.safetensors", case.summariser.weights)
        weights = storage.load_weights(tmp_path / "weights.safetensors")
        restored = quick("summarise", case.kind).restore(weights, device="cpu")
        np.testing.assert_array_equal(restored(case.x), case.summariser(case.x))
        assert restored.names == case.summariser.names


def test_inputs_are_left_alone(cases: list[Case]) -> None:
    for case in cases:
        data = dataset(case.shape, 48, 1)
        before = data.theta.copy(), data.x.copy()
        for array in (data.theta, data.x):
            array.flags.writeable = False
        quick("summarise", case.kind).fit(data, data, Run(seed=1))
        case.summariser(data.x)
        np.testing.assert_array_equal(data.theta, before[0])
        np.testing.assert_array_equal(data.x, before[1])
