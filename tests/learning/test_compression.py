"""Features of long vectors: of a linear Gaussian, whose sufficient statistic is known."""

import numpy as np
import pytest
import torch

from sbipipe.interfaces import Run
from sbipipe.learning.compression import Short, is_long, restored, shorten
from sbipipe.learning.schedules import Annealed

RNG = np.random.default_rng(8)
MIXING = RNG.normal(size=(2, 12))


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """u ~ N(0, 1) and x = u A + e in twelve components."""
    u = RNG.normal(size=(n, 2))
    x = u @ MIXING + RNG.normal(size=(n, 12))
    return torch.from_numpy(u).float(), torch.from_numpy(x).float()


@pytest.fixture(scope="module")
def learned() -> Short:
    settings = Annealed(steps=600, batch=128)
    return shorten(rows(4000), rows(500), None, settings, Run(seed=0))[0]


def test_features_are_the_sufficient_statistic(learned: Short) -> None:
    """x A^T tells all: features explain its variance (R^2 of a straight line), but for what a
    network learns of 4,000 rows."""
    x = rows(4000)[1]
    sufficient = x.numpy() @ MIXING.T
    features = np.column_stack([learned.digest(x.numpy()), np.ones(len(x))])
    rest = sufficient - features @ np.linalg.lstsq(features, sufficient, rcond=None)[0]
    assert (rest.var(0) / sufficient.var(0) < 0.05).all()


def test_restored_weights_give_the_same(learned: Short) -> None:
    x = rows(30)[1].numpy()
    again = restored(learned.arrays, 12, 2, "cpu")
    np.testing.assert_array_equal(again.digest(x), learned.digest(x))


def test_vectors_that_are_not_finite_have_none(learned: Short) -> None:
    x = rows(3)[1].numpy()
    x[1, 5] = np.nan
    assert np.isnan(learned.digest(x)).all(1).tolist() == [False, True, False]
    assert learned.digest(x[:0]).shape == (0, 2)


def test_twice_as_many_features_are_not_worth_it_where_few_are_sufficient(learned: Short) -> None:
    assert learned.features == 2


def test_twice_as_many_features_are_taken_where_they_tell_more() -> None:
    """x tells u with an error that is small or large, and which: a place and a width."""
    u = torch.from_numpy(RNG.normal(size=(4500, 1))).float()
    width = torch.from_numpy(RNG.choice([0.05, 1.0], size=(4500, 1))).float()
    seen = u + width * torch.randn(4500, 1, generator=torch.Generator().manual_seed(0))
    x = torch.cat([seen, width] * 5, 1)
    settings = Annealed(steps=800, batch=128)
    found, tried = shorten((u[500:], x[500:]), (u[:500], x[:500]), None, settings, Run(seed=0))
    assert found.features == 2
    assert [list(history.curves) for history in tried] == [["features 1"], ["features 2"]]


@pytest.mark.parametrize("features", [0, None])
def test_short_vectors_and_fields_stand_for_themselves(features: int | None) -> None:
    u, x = rows(20)
    for given in (x if features == 0 else x[:, :8], x.reshape(20, 1, 3, 4)):
        found, tried = shorten((u, given), (u, given), features, Annealed(), Run(seed=0))
        assert (found.features, found.arrays, tried) == (0, {}, [])
        assert found.of(given) is given


@pytest.mark.parametrize(
    ("components", "parameters", "expected"),
    [(8, 2, False), (9, 2, True), (20, 4, True), (19, 10, False), (20, 10, True)],
)
def test_only_long_vectors_have_features(components: int, parameters: int, expected: bool) -> None:
    assert is_long(components, parameters) == expected
