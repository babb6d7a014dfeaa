"""Whitened rows: axes, moments, and rows that need none of it."""

import numpy as np
import pytest
import torch

from sbipipe.learning.standardise import Standardise
from sbipipe.learning.whiten import LONGEST, Whiten

ROWS = 4_000
RNG = np.random.default_rng(5)
OFFSET = RNG.uniform(-1e4, 1e4, (ROWS, 1))
NOISE = RNG.standard_t(2, (ROWS, 4))


def tensor(rows: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rows).float()


READINGS = tensor(OFFSET + 10 * NOISE)
"""Four readings of one number, with heavy tails a thousandth as wide as their range."""


def test_rows_that_are_not_correlated_keep_their_bits():
    rows = tensor(RNG.normal(size=(ROWS, 3)) * [1.0, 100.0, 1e-6] + [0.0, 1e4, 0.0])
    whiten, standard = Whiten(rows), Standardise(rows)
    torch.testing.assert_close(whiten(rows), standard(rows), rtol=0, atol=0)


def test_small_differences_become_large():
    """How far the readings of a row lie apart, 1e-3 of their range, is seen like their mean."""
    out = Whiten(READINGS)(READINGS).numpy()
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(out.std(0), 1, rtol=1e-3)
    assert np.abs(out).max() < 10
    apart = np.log(NOISE.std(1))
    common = np.abs(np.corrcoef(out.T, OFFSET.T)[:-1, -1]).argmax()
    seen = np.log(np.linalg.norm(np.delete(out, common, 1), axis=1))
    assert np.corrcoef(seen, apart)[0, 1] > 0.9


def test_the_axes_are_uncorrelated():
    """Where no tail is bent afterwards."""
    rows = tensor(OFFSET + 10 * RNG.normal(size=(ROWS, 4)))
    correlation = np.corrcoef(Whiten(rows)(rows).numpy().T)
    np.testing.assert_allclose(correlation, np.eye(4), atol=1e-3)


def test_what_says_nothing_stays_harmless():
    """A constant, and a component that is there twice."""
    rows = torch.cat([READINGS, READINGS[:, :1], torch.full((ROWS, 1), 7.0)], 1)
    out = Whiten(rows)(rows)
    assert torch.isfinite(out).all()
    assert out.abs().max() < 10
    assert (out.std(0) < 0.1).sum() == 2


def test_few_rows_and_one_component():
    for rows in (torch.zeros(2, 3), READINGS[:1], READINGS[:2], READINGS[:, :1]):
        assert torch.isfinite(Whiten(rows)(rows)).all()


@pytest.mark.parametrize(("count", "size"), [(30, 40), (200, 40), (5200, LONGEST + 1)])
def test_rows_too_few_or_too_long_are_not_turned(count: int, size: int):
    """Along an axis that few rows do not have, another row would lie far out."""
    rows, others = (tensor(RNG.normal(size=(count, size))) for _ in range(2))
    rows[:, 1:] = rows[:, :1] + 1e-3 * rows[:, 1:]
    whiten, standard = Whiten(rows), Standardise(rows)
    torch.testing.assert_close(whiten(others), standard(others), rtol=0, atol=0)
    assert whiten.axes.numel() <= LONGEST**2
