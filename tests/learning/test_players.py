"""The loop of two players: it learns, its score chooses, and an interruption leaves no trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sbipipe.interfaces import History, Run
from sbipipe.learning import players
from sbipipe.learning.checkpoints import copied
from sbipipe.learning.players import Play, play
from sbipipe.records import InputError

ROWS, MEAN = 40, 2.0
SETTINGS = Play(steps=12, batch=16, learning_rate=1e-2, ema=0.9, lazy=2, score_every=4)


class Interrupted(Exception):  # noqa: N818
    """Stands for a kill."""


class Shift:
    """A generator that adds a number to noise, and a critic that is a line."""

    def __init__(self, scores: list[float] | None = None, calls: int = 10**9) -> None:
        torch.manual_seed(0)
        self.generator = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
        self.critic = nn.Linear(1, 1)
        self.scores, self.left, self.scatters = scores, calls, 1.0

    def draw(self, count: int) -> Tensor:
        return self.generator(torch.randn(count, 1))

    def critic_loss(self, rows: tuple[Tensor, ...]) -> Tensor:
        self.left -= 1
        if self.left < 0:
            raise Interrupted
        (x,) = rows
        with torch.no_grad():
            drawn = self.draw(len(x))
        return (softplus(-self.critic(x)) + softplus(self.critic(drawn)))[:, 0]

    def generator_loss(self, rows: tuple[Tensor, ...]) -> Tensor:
        return softplus(-self.critic(self.draw(len(rows[0]))))[:, 0]

    def penalty(self, rows: tuple[Tensor, ...]) -> Tensor:
        return self.critic.weight.square().sum().expand(len(rows[0]))

    def score(self) -> float:
        if self.scores:
            return self.scores.pop(0)
        return abs(self.generator(torch.zeros(1, 1)).item() - MEAN)

    def scatter(self) -> float:
        return self.scatters


def rows() -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    x = MEAN + np.random.default_rng(1).normal(size=(2 * ROWS, 1)).astype(np.float32)
    return (torch.from_numpy(x[:ROWS]),), (torch.from_numpy(x[ROWS:]),)


def fit(game: Shift, settings: Play = SETTINGS, run: Run | None = None) -> History:
    return play(game, *rows(), settings, run or Run(seed=3), "two", "config.optimisation")


def state(game: Shift) -> dict[str, np.ndarray]:
    parts = (game.generator, game.critic)
    return {
        f"{i}{n}": v.numpy() for i, one in enumerate(parts) for n, v in one.state_dict().items()
    }


def test_reduced_precision_learns_nearly_the_same() -> None:
    """Losses are computed in bfloat16, with eight bits a number, and averaged in float32."""
    found = []
    for precision in ("float32", "bf16"):
        game, seen = Shift(), []
        game.critic.register_forward_hook(lambda *call, seen=seen: seen.append(call[2].dtype))
        history = fit(game, replace(SETTINGS, precision=precision))
        assert set(seen) == {torch.bfloat16 if precision == "bf16" else torch.float32}
        assert all(value.dtype == torch.float32 for value in game.generator.parameters())
        found.append(history.curves["two"]["train"])
    np.testing.assert_allclose(*found, rtol=0.02)
    assert found[0] != found[1]


def test_scores_come_more_often_near_the_end() -> None:
    assert Play(steps=100, score_every=30, score_last=10).ends == (30, 60, 70, 80, 90, 100)
    assert Play(steps=5, score_every=30, score_last=2).ends == (2, 4, 5)


def test_the_rate_falls_to_zero_over_the_last_share() -> None:
    settings = Play(steps=100, fall=0.5, learning_rate=2.0)
    assert [settings.rate(step) for step in (0, 50, 75, 99)] == [2.0, 2.0, 1.0, 0.04]
    assert replace(settings, fall=0.0).rate(99) == 2.0


def test_the_generator_learns_the_mean_of_what_it_is_shown() -> None:
    game = Shift()
    settings = Play(steps=1500, batch=ROWS, learning_rate=1e-2, ema=0.99, penalty=0.3)
    fit(game, settings)
    drawn = game.draw(4000).mean().item()
    assert drawn == pytest.approx(float(rows()[0][0].mean()), abs=0.15)


@pytest.mark.parametrize("calls", [2, 7, 14])
def test_an_interruption_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    monkeypatch.setattr(players, "CHECKPOINT_SECONDS", 0.0)
    run = Run(seed=3, checkpoint=tmp_path)
    whole, broken, resumed = Shift(), Shift(calls=calls), Shift()
    expected = fit(whole)
    with pytest.raises(Interrupted):
        fit(broken, run=run)
    history = fit(resumed, run=run)
    np.testing.assert_equal(state(resumed), state(whole))
    assert history.curves == expected.curves
    assert history.chosen == expected.chosen
    again = whole.left - resumed.left
    assert (again < 0) == (calls > 5), "an epoch that was done is not done again"
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_another_game_is_not_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(players, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(Interrupted):
        fit(Shift(calls=14), run=Run(seed=3, checkpoint=tmp_path))
    fresh, resumed = Shift(), Shift()
    fit(fresh, run=Run(seed=4))
    fit(resumed, run=Run(seed=4, checkpoint=tmp_path))
    np.testing.assert_equal(state(resumed), state(fresh))


def test_a_score_chooses_the_averaged_weights() -> None:
    """The weights that are kept are those that were there when the least score was given."""
    game = Shift([3.0, 1.0, 2.0])
    seen = []
    given = game.score
    game.score = lambda: (seen.append(copied(game.generator)), given())[1]
    history = fit(game, replace(SETTINGS, score_last=4))
    assert history.curves["two"]["score"] == (3.0, 1.0, 2.0)
    assert history.curves["two"]["step"] == (4.0, 8.0, 12.0)
    assert history.chosen == {"two": 2}
    kept = game.generator.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in seen[1].items())
    assert not any(player.training for player in (game.generator, game.critic))


def test_equal_seeds_give_equal_weights_and_leave_the_global_stream_alone() -> None:
    one, two, other = Shift(), Shift(), Shift()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    fit(one)
    assert torch.equal(before, torch.random.get_rng_state())
    fit(two)
    fit(other, run=Run(seed=4))
    np.testing.assert_equal(state(one), state(two))
    assert not np.array_equal(state(one)["1weight"], state(other)["1weight"])


def test_a_loss_that_is_not_finite_names_the_step() -> None:
    game = Shift()
    right = game.generator_loss
    game.generator_loss = lambda rows: right(rows) * (1.0 if game.left > 10**9 - 7 else np.nan)
    with pytest.raises(
        InputError, match=r"config\.optimisation: .*generator's loss is nan at step"
    ):
        fit(game)


def test_a_generator_that_forgets_its_noise_names_the_step() -> None:
    game = Shift()
    game.scatters = 0.01
    settings = replace(SETTINGS, steps=150, score_every=50, score_last=50)
    with pytest.raises(InputError, match="one field whatever the noise at step 150; allowed"):
        fit(game, settings)
