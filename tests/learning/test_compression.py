"""Features of long vectors: of a linear Gaussian, whose sufficient statistic is known."""

import numpy as np
import pytest
import torch

from sbipipe.interfaces import Run
from sbipipe.learning.compression import Map, Short, is_long, restored, shorten
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
    settings = Annealed(steps=250, batch=128)
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


def test_each_set_is_learned_apart_and_stands_behind_the_one_before() -> None:
    u, x = rows(600)
    settings = Annealed(steps=60, batch=64)
    found = shorten((u, x), (u[:100], x[:100]), 2, settings, Run(seed=0), 3)[0]
    digest = found.digest(x.numpy())
    assert (found.features, digest.shape) == (2, (600, 6))
    first, second, third = np.split(digest, 3, 1)
    assert not np.allclose(first, second, atol=0.1)
    assert not np.allclose(second, third, atol=0.1)
    again = restored(found.arrays, 12, 2, "cpu", 3)
    np.testing.assert_array_equal(again.digest(x.numpy()), digest)


def test_features_begin_as_a_straight_line_and_are_the_same_whenever_asked() -> None:
    x = rows(200)[1]
    new = Map(x, 3, 0.3).eval()
    torch.testing.assert_close(new(x), new.line(new.standardise(x)))
    torch.nn.init.normal_(new.body[-1].weight)
    torch.testing.assert_close(new(x), new(x))
    assert not torch.equal(new.train()(x), new(x))


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
    settings = Annealed(steps=400, batch=128)
    short, histories = shorten((u[500:], x[500:]), (u[:500], x[:500]), None, settings, Run(seed=0))
    assert short.features == 2
    names = [name for history in histories for name in history.curves]
    assert names[:2] == ["features 1 trial", "features 1 trial, 30% dropped"]
    assert names[2].startswith("features 1 trial, squares")
    assert names[3].startswith("features 2 trial")
    assert names[4:] == ["features 2"]


def test_squares_are_taken_where_they_tell_more() -> None:
    """Twenty numbers of scale exp(u): their mean square is sufficient; restored, they are equal.
    How much is dropped is asked again beside them."""
    u = torch.from_numpy(RNG.normal(size=(2500, 1))).float()
    x = torch.exp(u) * torch.randn(2500, 20, generator=torch.Generator().manual_seed(0))
    settings = Annealed(steps=300, batch=128)
    short, histories = shorten((u[500:], x[500:]), (u[:500], x[:500]), None, settings, Run(seed=0))
    tried = {name for history in histories for name in history.curves}
    assert {f"features 1 trial, squares{dropped}" for dropped in ("", ", 30% dropped")} <= tried
    (weight,) = (v for name, v in short.arrays.items() if name.endswith("line.weight"))
    assert weight.shape == (short.features, 40)
    again = restored(short.arrays, 20, short.features, "cpu")
    np.testing.assert_array_equal(again.digest(x.numpy()), short.digest(x.numpy()))


@pytest.mark.parametrize("features", [0, None])
def test_short_vectors_and_fields_stand_for_themselves(features: int | None) -> None:
    u, x = rows(20)
    for given in (x if features == 0 else x[:, :8], x.reshape(20, 1, 3, 4)):
        short, histories = shorten((u, given), (u, given), features, Annealed(), Run(seed=0))
        assert (short.features, short.arrays, histories) == (0, {}, ())
        assert short.of(given) is given


@pytest.mark.parametrize(
    ("components", "parameters", "expected"),
    [(8, 2, False), (9, 2, True), (20, 4, True), (19, 10, False), (20, 10, True)],
)
def test_only_long_vectors_have_features(components: int, parameters: int, expected: bool) -> None:
    assert is_long(components, parameters) == expected
