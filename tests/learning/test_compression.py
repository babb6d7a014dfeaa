"""Features of long vectors: of a linear Gaussian, whose sufficient statistic is known."""

import numpy as np
import pytest
import torch

from sbipipe.interfaces import Run
from sbipipe.learning.compression import Compression, compress, features_of, restored
from sbipipe.learning.schedules import Annealed

RNG = np.random.default_rng(8)
MIXING = RNG.normal(size=(2, 12))


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """u ~ N(0, 1) and x = u A + e in twelve components."""
    u = RNG.normal(size=(n, 2))
    x = u @ MIXING + RNG.normal(size=(n, 12))
    return torch.from_numpy(u).float(), torch.from_numpy(x).float()


@pytest.fixture(scope="module")
def learned() -> Compression:
    settings = Annealed(steps=600, batch=128)
    return compress(rows(4000), rows(500), 2, settings, Run(seed=0))[0]


def test_features_are_the_sufficient_statistic(learned: Compression) -> None:
    """x A^T tells all: features explain its variance (R^2 of a straight line), but for what a
    network learns of 4,000 rows."""
    x = rows(4000)[1]
    sufficient = x.numpy() @ MIXING.T
    features = np.column_stack([learned.digest(x.numpy()), np.ones(len(x))])
    rest = sufficient - features @ np.linalg.lstsq(features, sufficient, rcond=None)[0]
    assert (rest.var(0) / sufficient.var(0) < 0.05).all()


def test_restored_weights_give_the_same(learned: Compression) -> None:
    x = rows(30)[1].numpy()
    again = restored(learned.arrays, 12, 2, "cpu")
    np.testing.assert_array_equal(again.digest(x), learned.digest(x))


def test_vectors_that_are_not_finite_have_none(learned: Compression) -> None:
    x = rows(3)[1].numpy()
    x[1, 5] = np.nan
    assert np.isnan(learned.digest(x)).all(1).tolist() == [False, True, False]
    assert learned.digest(x[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("components", "parameters", "expected"),
    [(8, 2, 0), (9, 2, 2), (20, 4, 4), (10, 10, 0), (19, 10, 0), (20, 10, 10)],
)
def test_only_long_vectors_have_features(components: int, parameters: int, expected: int) -> None:
    assert features_of(components, parameters) == expected
