"""Rates and ends as functions of the step and the learning curve."""

import numpy as np
import pytest

from sbipipe.learning.schedules import Annealed, Cosine


def test_a_cosine_rises_linearly_and_falls_to_nothing():
    settings = Cosine(epochs=10, batch=10, learning_rate=2.0, warm_up=0.1)
    rates = np.array([settings.rate(step, [], 100) for step in range(100)])
    np.testing.assert_allclose(rates[:10], 0.2 * np.arange(1, 11))
    np.testing.assert_allclose(rates[10:], 1 + np.cos(np.pi * np.arange(90) / 90))
    assert Cosine(epochs=1, learning_rate=2.0, warm_up=0.9).rate(0, [], 1) == 2.0


def test_a_cosine_ends_with_its_epochs_or_its_patience():
    settings = Cosine(epochs=5, patience=2)
    assert not settings.finished([3.0, 2.0, 2.5], 10)
    assert settings.finished([3.0, 2.0, 2.5, 2.0], 10)
    assert settings.finished([5.0, 4.0, 3.0, 2.0, 1.0], 10)


@pytest.mark.parametrize(
    ("rows", "batch"), [(50, 64), (900, 64), (9_000, 256), (90_000, 512), (1_000_000, 1024)]
)
def test_batches_grow_as_the_root_of_the_rows(rows: int, batch: int):
    assert Annealed().batch_of(rows) == batch
    assert Annealed(batch=7).batch_of(rows) == 7


STALLING = Annealed(steps=100, patience=20, tolerance=0.1, factor=0.5, batch=10, learning_rate=1.0)
"""Of 100 rows, an epoch is 10 steps, and two epochs are the patience."""


@pytest.mark.parametrize(
    ("losses", "stalls", "ends"),
    [
        ([], 0, False),
        ([3.0, 2.0, 1.0], 0, False),
        ([1.0, 1.0], 0, False),
        ([1.0, 1.0, 1.0], 1, False),
        ([1.0, 0.95, 0.91], 1, False),  # too little
        ([1.0, 0.95, 0.89], 0, False),  # together enough
        ([1.0, 2.0, 0.5, 2.0, 2.0], 1, False),  # what is better begins anew
        ([1.0, 2.0, 2.0, 0.5, 2.0, 2.0], 2, False),  # the first fall has paid
        ([1.0, 2.0, 2.0, 2.0, 2.0], 2, True),
    ],
)
def test_the_rate_falls_at_every_stall_until_a_fall_does_not_pay(
    losses: list[float], stalls: int, ends: bool
):
    assert STALLING.stalls(losses, 100)[0] == stalls
    assert STALLING.rate(1_000, losses, 100) == pytest.approx(0.5**stalls)
    assert STALLING.finished(losses, 100) == ends


def test_an_annealed_rate_rises_over_the_first_steps():
    settings = Annealed(warm_up=4, learning_rate=1.0)
    assert [settings.rate(step, [], 10) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_the_steps_are_at_most_those_that_are_asked_for_in_whole_epochs():
    assert STALLING.epochs_of(100) == 10
    assert STALLING.epochs_of(101) == 10  # 11 steps each
    assert STALLING.finished(list(range(10, 0, -1)), 100)


def test_few_rows_and_many_have_the_same_patience_in_steps():
    settings = Annealed(patience=600)
    for rows in (1_000, 100_000):
        per_epoch = -(-rows // settings.batch_of(rows))
        epochs = next(n for n in range(1, 1000) if settings.stalls([1.0] * (n + 1), rows)[0])
        assert 600 <= epochs * per_epoch < 600 + per_epoch


@pytest.mark.parametrize(
    ("rows", "batch", "epochs"),
    [(40, 16, 600), (1925, 32, 30), (12_000, 128, 20), (10**6, 128, 20)],
)
def test_few_rows_are_seen_more_often_in_smaller_batches(rows: int, batch: int, epochs: int):
    settings = Cosine(epochs=None, batch=None)
    assert (settings.batch_of(rows), settings.epochs_of(rows)) == (batch, epochs)
    assert settings.rate(epochs * -(-rows // batch), [], rows) == pytest.approx(0)
    assert settings.finished([1.0 / (1 + i) for i in range(epochs)], rows)
    assert not settings.finished([1.0 / (1 + i) for i in range(epochs - 1)], rows)
