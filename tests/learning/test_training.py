"""The optimisation loop: it learns, it stops, and an interruption leaves no trace."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sbipipe.interfaces import History, Run
from sbipipe.learning import training
from sbipipe.learning.schedules import Cosine
from sbipipe.learning.training import Rows, optimise, tensors

ROWS = 40


def line() -> tuple[Rows, Rows]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2 * ROWS, 1))
    y = 3 * x + 1 + 0.1 * rng.normal(size=x.shape)
    return tensors(x[:ROWS], y[:ROWS]), tensors(x[ROWS:], y[ROWS:])


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 1))


def squares(module: nn.Module):
    return lambda x, y: (module(x) - y).square().sum(1)


def jitter(x: Tensor, y: Tensor) -> Rows:
    return x + 0.01 * torch.randn_like(x), y


SETTINGS = Cosine(epochs=8, patience=8, batch=16, learning_rate=1e-2, ema=0.9)


def fit(
    module: nn.Module, settings: Cosine = SETTINGS, *, run: Run | None = None, loss=None
) -> History:
    return optimise(
        module, loss or squares(module), *line(), settings, run or Run(seed=3), augment=jitter
    )


def state(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in module.state_dict().items()}


def test_learns_a_line_to_its_noise():
    module = nn.Linear(1, 1)
    settings = Cosine(epochs=800, patience=800, batch=ROWS, learning_rate=1e-1)
    train, _ = line()
    history = optimise(module, squares(module), train, train, settings, Run(seed=1))
    x, y = (tensor[:, 0].numpy() for tensor in train)
    slope, intercept = np.polyfit(x, y, 1)
    assert module.weight.item() == pytest.approx(slope, abs=1e-3)
    assert module.bias.item() == pytest.approx(intercept, abs=1e-3)
    residual = np.mean((y - slope * x - intercept) ** 2)
    assert min(history.curves["network"]["valid"]) == pytest.approx(residual, rel=1e-3)


def test_equal_seeds_give_equal_weights_and_leave_the_global_stream_alone():
    one, two, other = network(), network(), network()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    fit(one)
    assert torch.equal(before, torch.random.get_rng_state())
    fit(two)
    fit(other, run=Run(seed=4))
    np.testing.assert_equal(state(one), state(two))
    assert not np.array_equal(state(one)["0.weight"], state(other)["0.weight"])


class InterruptedFitError(Exception):
    """Stands for a kill."""


def interrupted(module: nn.Module, calls: int):
    """A loss that raises when it is called for this many a time."""
    left = iter(range(calls))

    def loss(x: Tensor, y: Tensor) -> Tensor:
        if next(left, None) is None:
            raise InterruptedFitError
        return squares(module)(x, y)

    return loss


@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize("calls", [3, 13, 22])
def test_an_interruption_leaves_no_trace(tmp_path: Path, monkeypatch, calls: int, ema: float):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    run = Run(seed=3, checkpoint=tmp_path)
    settings = Cosine(epochs=8, patience=8, batch=16, learning_rate=1e-2, ema=ema)
    whole, broken, resumed = network(), network(), network()
    expected = fit(whole, settings)
    with pytest.raises(InterruptedFitError):
        fit(broken, settings, run=run, loss=interrupted(broken, calls))
    history = fit(resumed, settings, run=run)
    np.testing.assert_equal(state(resumed), state(whole))
    assert history.curves == expected.curves
    assert history.chosen == expected.chosen
    assert not list(tmp_path.iterdir())


def test_goes_on_from_the_checkpoint_and_not_from_the_start(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    run = Run(seed=3, checkpoint=tmp_path)
    calls = 3 + 1  # batches of train and of valid in an epoch
    for epochs in (6, 1):
        broken = network()
        with pytest.raises(InterruptedFitError):
            fit(broken, run=run, loss=interrupted(broken, epochs * calls + 1))
    resumed, whole = network(), network()
    fit(resumed, run=run, loss=interrupted(resumed, (8 - 6 - 1) * calls))
    fit(whole)
    np.testing.assert_equal(state(resumed), state(whole))


@pytest.mark.parametrize("other", [{"seed": 4}, {"batch": 8}, {"first": 1.0}])
def test_a_checkpoint_of_another_task_is_not_gone_on_from(tmp_path: Path, monkeypatch, other):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    broken, run = network(), Run(seed=3, checkpoint=tmp_path)
    with pytest.raises(InterruptedFitError):
        fit(broken, run=run, loss=interrupted(broken, 22))
    settings = Cosine(
        epochs=8, patience=8, batch=other.get("batch", 16), learning_rate=1e-2, ema=0.9
    )
    seed = other.get("seed", 3)
    fresh, resumed = network(), network()
    for module in (fresh, resumed):
        module[0].weight.data.add_(other.get("first", 0.0))
    fit(fresh, settings, run=Run(seed=seed))
    fit(resumed, settings, run=Run(seed=seed, checkpoint=tmp_path))
    np.testing.assert_equal(state(resumed), state(fresh))


class Schedule(nn.Module):
    """Its validation loss follows a script; its weight counts its steps."""

    def __init__(self, script: list[float]):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.script, self.epoch = script, 0

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        if self.training:
            return -self.weight.expand(len(x))
        self.epoch += 1
        return torch.full((len(x),), self.script[self.epoch - 1])


def test_stops_after_patience_epochs_and_keeps_the_best():
    module = Schedule([3.0, 1.0, 2.0, 1.0, 5.0, 0.0])
    settings = Cosine(epochs=6, patience=3, batch=ROWS, learning_rate=1e-2, warm_up=0.0)
    history = optimise(module, module.loss, *line(), settings, Run(seed=1))
    assert history.curves["network"]["valid"] == (3.0, 1.0, 2.0, 1.0, 5.0)
    assert history.chosen["network"] == 2
    steps = sum(
        settings.rate(step, [], ROWS) for step in range(2)
    )  # AdamW's step under a constant sign
    assert module.weight.item() == pytest.approx(steps, rel=1e-4)
    assert not module.training


def test_every_row_of_valid_counts_once():
    module = nn.Linear(1, 1)
    train, (x, y) = line()
    settings = Cosine(epochs=1, batch=3)
    history = optimise(module, squares(module), train, (x[:37], y[:37]), settings, Run(seed=1))
    with torch.no_grad():
        expected = float(squares(module)(x[:37], y[:37]).mean())
    assert history.curves["network"]["valid"][0] == pytest.approx(expected, rel=1e-6)


def test_valid_meets_the_same_random_numbers_in_every_epoch():
    module = nn.Linear(1, 1)
    settings = Cosine(epochs=4, patience=4, learning_rate=1e-30)

    def noisy(x: Tensor, y: Tensor) -> Tensor:
        return squares(module)(x, y) + torch.randn(len(x))

    curves = optimise(module, noisy, *line(), settings, Run(seed=1)).curves["network"]
    assert len(set(curves["valid"])) == 1
    assert len(set(curves["train"])) == 4


def test_the_average_is_the_exponential_one_of_the_weights():
    module = Schedule([0.0] * ROWS)
    settings = Cosine(epochs=1, batch=2, learning_rate=1e-2, ema=0.7, warm_up=0.0)
    optimise(module, module.loss, *line(), settings, Run(seed=1))
    weight = average = 0.0
    for step in range(ROWS // 2):
        weight += settings.rate(step, [], ROWS)
        decay = min(0.7, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
    assert module.weight.item() == pytest.approx(average, rel=1e-4)


def test_bf16_multiplies_in_bfloat16_and_keeps_float32_weights_and_means():
    module, seen = nn.Linear(1, 1), []

    def loss(x: Tensor, y: Tensor) -> Tensor:
        output = module(x)
        seen.append(output.dtype)
        return (output - y.bfloat16()).square().sum(1)

    settings = Cosine(epochs=150, patience=150, batch=16, learning_rate=1e-1, precision="bf16")
    history = optimise(module, loss, *line(), settings, Run(seed=1))
    assert set(seen) == {torch.bfloat16}
    assert module.weight.dtype == torch.float32
    assert module.weight.item() == pytest.approx(3.0, abs=0.06)
    assert min(history.curves["network"]["valid"]) < 0.03


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_loss_that_is_not_finite_is_an_error(split: str):
    module = nn.Linear(1, 1)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        here = "train" if module.training else "valid"
        return squares(module)(x, y) * (float("nan") if here == split else 1.0)

    with pytest.raises(FloatingPointError, match=f"network: the {split} loss is nan in epoch 1"):
        optimise(module, loss, *line(), SETTINGS, Run(seed=1))


def test_an_empty_split_is_an_error():
    module = nn.Linear(1, 1)
    train, (x, y) = line()
    with pytest.raises(ValueError, match="network: valid has 0 rows"):
        optimise(module, squares(module), train, (x[:0], y[:0]), SETTINGS, Run(seed=1))


def test_a_score_chooses_where_one_is_given() -> None:
    module, scores = network(), iter([3.0, 1.0, 2.0])
    settings = Cosine(epochs=3, patience=3, batch=16, learning_rate=1e-2)
    history = optimise(
        module, squares(module), *line(), settings, Run(seed=3), score=lambda: next(scores)
    )
    assert history.curves["network"]["score"] == (3.0, 1.0, 2.0)
    assert history.chosen == {"network": 2}


def test_a_kept_fit_is_not_done_again(tmp_path: Path) -> None:
    run, whole, again = Run(seed=3, checkpoint=tmp_path), network(), network()
    expected = optimise(whole, squares(whole), *line(), SETTINGS, run, keep=True)
    history = optimise(again, interrupted(again, 0), *line(), SETTINGS, run, keep=True)
    np.testing.assert_equal(state(again), state(whole))
    assert history.curves == expected.curves


@pytest.mark.parametrize(("shape", "expected"), [((8, 3), 1), ((8, 5, 3), 1), ((8, 1, 4, 4), 2)])
def test_networks_of_vectors_learn_with_one_thread(shape: tuple[int, ...], expected: int):
    """And networks of fields with all there are; afterwards there are as many as before."""
    seen, before = set(), torch.get_num_threads()
    net = nn.Linear(shape[-1], 1)

    def loss(x: Tensor) -> Tensor:
        seen.add(torch.get_num_threads())
        return net(x).flatten(1).square().mean(1)

    torch.set_num_threads(2)
    try:
        rows = (torch.ones(shape),)
        optimise(net, loss, rows, rows, Cosine(epochs=1), Run(seed=1))
        assert (seen, torch.get_num_threads()) == ({expected}, 2)
    finally:
        torch.set_num_threads(before)
