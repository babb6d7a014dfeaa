"""Which network is kept, how long each is tried, and that trials change nothing after them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sbipipe.interfaces import Run
from sbipipe.learning.ensembles import PSEUDO, stacking_weights
from sbipipe.learning.portfolio import Candidate, _best, fit
from sbipipe.learning.schedules import Annealed

ROWS = 300
RNG = np.random.default_rng(4)
X = torch.from_numpy(RNG.normal(size=(ROWS, 1))).float()
Y = X.square()
SETTINGS = Annealed(steps=60, batch=50, learning_rate=3e-2, warm_up=5)


class Polynomial(nn.Module):
    """Of a degree, with the squared error of y as its loss."""

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.line = nn.Linear(degree + 1, 1)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        powers = torch.cat([x**k for k in range(self.degree + 1)], 1)
        return (self.line(powers) - y).square().sum(1)


def candidate(degree: int, smaller: Candidate | None = None) -> Candidate:
    return Candidate(
        name=f"degree {degree}", build=lambda _: Polynomial(degree), stacked=True, smaller=smaller
    )


def fitted(*degrees: int, finalists: int = 1, members: int = 2):
    train, valid = (X[:200], Y[:200]), (X[200:], Y[200:])
    return fit(
        [candidate(degree) for degree in degrees], train, valid, finalists=finalists,
        members=members, settings=SETTINGS, run=Run(seed=7),
    )  # fmt: skip


def test_the_right_degree_is_found():
    found = fitted(0, 1, 2)
    assert found.names == ("degree 2", "degree 2")
    assert len(found.networks) == 2
    assert found.history.notes["tried"].keys() == {"degree 0", "degree 1", "degree 2"}
    assert list(found.history.curves) == ["degree 2"]


def test_one_candidate_is_not_tried_first():
    assert fitted(2).history.notes["tried"] == {}


def test_several_finalists_in_the_order_of_their_losses():
    assert fitted(0, 2, 1, 3, finalists=2, members=1).names in (
        ("degree 2", "degree 3"),
        ("degree 3", "degree 2"),
    )


@pytest.mark.parametrize(
    ("losses", "count", "expected"),
    [
        ((0.5, 0.495, 0.1), 1, [2]),
        ((0.11, 0.1, 0.5), 1, [0]),
        ((0.13, 0.11, 0.1), 1, [1]),
        ((0.13, 0.11, 0.1), 2, [1, 2]),
        ((0.115, 0.5, 0.1), 2, [0, 2]),
    ],
)
def test_of_those_that_are_as_good_the_first_are_left(losses, count, expected):
    every = [candidate(degree) for degree in range(3)]
    left = _best(every, {one.name: loss for one, loss in zip(every, losses, strict=True)}, count)
    assert left == [every[degree] for degree in expected]


def test_what_else_was_tried_does_not_change_the_winner():
    alone, among = (fitted(*degrees).networks[0].line.weight for degrees in ((2,), (0, 1, 2)))
    torch.testing.assert_close(alone, among, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("rows", "expected"), [(12, ["degree 6", "degree 1"]), (200, ["degree 6"])]
)
def test_a_smaller_network_joins_one_that_knows_its_rows_by_heart(rows: int, expected: list[str]):
    """Six powers of x learn x^2 and, of few rows, their noise."""
    rng = np.random.default_rng(0)
    x, noise = (torch.from_numpy(rng.uniform(-1.2, 1.2, (rows + 400, 1))).float() for _ in "ab")
    y = 5 * x.square() + 2 * noise
    found = fit(
        [candidate(6, candidate(1))], (x[:rows], y[:rows]), (x[rows:], y[rows:]), finalists=1,
        members=2, settings=Annealed(steps=600, batch=12, learning_rate=3e-2, warm_up=5),
        run=Run(seed=7),
    )  # fmt: skip
    assert list(dict.fromkeys(found.names)) == expected
    assert list(found.history.curves) == expected
    assert len(found.networks) == 2 * len(expected)


def test_stacking_maximises_the_posterior_of_the_weights():
    log_prob = RNG.normal(size=(2, 500))
    log_prob[1] += 0.5
    weights = stacking_weights(log_prob)
    grid = np.linspace(1e-3, 1 - 1e-3, 4_001)
    density = np.exp(log_prob)
    mixture = np.log(grid[:, None] * density[0] + (1 - grid[:, None]) * density[1]).sum(1)
    best = grid[np.argmax(mixture + PSEUDO * np.log(grid * (1 - grid)))]
    assert weights[0] == pytest.approx(best, abs=1e-3)


def test_few_rows_leave_equal_members_their_equal_weights():
    assert stacking_weights(RNG.normal(size=(3, 5))) == pytest.approx([1 / 3] * 3, abs=0.05)
