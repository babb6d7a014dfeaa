"""What the network is built to know, what its losses tend to, and that it does not memorise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import ndtri

from rows import described, rows_of
from sbipipe.interfaces import Dataset, Run
from sbipipe.learning.schedules import Cosine
from sbipipe.records import InputError
from sbipipe.summaries import cnn
from sbipipe.summaries.cnn import Cnn


def dataset(
    simulations: int, maps: int, seed: int, space: tuple[int, ...] = (8, 8), periodic: bool = True
) -> Dataset:
    """White noise whose mean and logarithmic variance are the parameters."""
    rng = np.random.default_rng(seed)
    theta = np.repeat(rng.uniform(-1, 1, size=(simulations, 2)), maps, 0)
    noise = rng.normal(size=(len(theta), 1, *space))
    mean, log_sd = (column.reshape(-1, 1, *(1,) * len(space)) for column in theta.T)
    group = np.repeat(np.arange(simulations), maps)
    rows = rows_of(theta=theta, x=mean + np.exp(log_sd) * noise, group=group)
    return replace(rows, data=described(rows.x, periodic=periodic))


def brief(**changes: object) -> Cosine:
    settings = {"epochs": 2, "batch": 32, "learning_rate": 3e-3, **changes}
    return Cosine(**settings)


def test_augmentation_moves_pixels_and_leaves_parameters():
    x, u = torch.arange(3 * 64.0).reshape(3, 1, 8, 8), torch.randn(3, 2)
    torch.manual_seed(1)
    moved, same = cnn._augment(True, x, u)
    assert same is u
    assert not torch.equal(moved, x)
    assert torch.equal(moved.flatten(1).sort().values, x.flatten(1))


@pytest.mark.parametrize("space", [(16,), (8, 8), (8, 8, 8)])
def test_fields_of_one_two_and_three_dimensions(space: tuple[int, ...]):
    data = dataset(40, 1, 1, space)
    summary = Cnn(channels=(4, 8), optimisation=brief())
    summariser, _ = summary.fit(data, data, Run(seed=1))
    vectors = summariser(data.x)
    np.testing.assert_allclose(vectors.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(vectors.std(0, ddof=1), 1, rtol=1e-5)
    shifted = np.roll(data.x, (4,) * len(space), tuple(range(2, 2 + len(space))))
    np.testing.assert_allclose(summariser(shifted), vectors, atol=1e-4)
    mirrored = np.flip(data.x, 2)
    np.testing.assert_allclose(summariser(mirrored), vectors, atol=1e-4)


def test_fields_with_edges_are_not_shifted():
    data = dataset(40, 1, 1, periodic=False)
    summary = Cnn(channels=(4, 8), optimisation=brief())
    summariser, _ = summary.fit(data, data, Run(seed=1))
    assert np.isfinite(summariser(data.x)).all()
    np.testing.assert_allclose(summariser(np.flip(data.x, 2)), summariser(data.x), atol=1e-4)
    shifted = np.roll(data.x, (4, 4), (2, 3))
    assert np.abs(summariser(shifted) - summariser(data.x)).max() > 1e-3
    restored = summary.restore(summariser.weights)
    np.testing.assert_array_equal(restored(data.x), summariser(data.x))


def test_its_network_is_put_where_it_is_asked_to():
    """On torch's device "meta", which holds shapes and no numbers."""
    data = dataset(40, 1, 1)
    summary = Cnn(channels=(4,), optimisation=brief())
    summariser, _ = summary.fit(data, data, Run(seed=1))
    elsewhere = summary.restore(summariser.weights, device="meta")
    assert {value.device.type for value in elsewhere.network.state_dict().values()} == {"meta"}


def test_without_symmetrising_reflections_are_only_learned():
    data = dataset(40, 1, 1)
    summary = Cnn(channels=(4, 8), symmetrise=False, optimisation=brief())
    summariser, _ = summary.fit(data, data, Run(seed=1))
    difference = summariser(np.flip(data.x, 2)) - summariser(data.x)
    assert np.abs(difference).max() > 1e-3


def test_components_are_as_many_as_asked_for():
    data = dataset(40, 1, 1)
    for components, expected in ((None, 2), (1, 1), (5, 5)):
        summary = Cnn(channels=(4,), components=components, optimisation=brief())
        assert len(summary.fit(data, data, Run(seed=1))[0].names) == expected


@pytest.mark.parametrize("loss", ["vmim", "gaussian", "mse"])
def test_every_loss_finds_what_the_field_tells(loss: str):
    """Mean and variance of 64 pixels are sufficient: theta from s is as good as from them."""
    train, valid, test = dataset(200, 4, 1), dataset(60, 4, 2), dataset(400, 1, 3)
    settings = brief(epochs=15, batch=64, learning_rate=1e-2, ema=0.9)
    summary = Cnn(loss=loss, channels=(8, 16), optimisation=settings)
    summariser, history = summary.fit(train, valid, Run(seed=1))

    def features(s: np.ndarray) -> np.ndarray:
        powers = [s[:, 0] ** i * s[:, 1] ** j for i in range(4) for j in range(4 - i)]
        return np.stack(powers, 1)

    def sufficient(x: np.ndarray) -> np.ndarray:
        return np.stack([x.mean((1, 2, 3)), np.log(x.std((1, 2, 3)))], 1)

    def error(of) -> np.ndarray:
        coefficients = np.linalg.lstsq(features(of(train.x)), train.theta, rcond=None)[0]
        residual = features(of(test.x)) @ coefficients - test.theta
        return np.sqrt((residual**2).mean(0))

    assert np.all(error(summariser) < 1.35 * error(sufficient))
    assert abs(history.notes["memorisation"]) < 0.25


def test_memorisation_is_the_gap_of_the_losses(monkeypatch):
    """Pure noise can only be learned by heart."""
    train, valid = dataset(32, 1, 1), dataset(64, 1, 2)
    shuffled = rows_of(
        theta=np.random.default_rng(0).permutation(train.theta), x=train.x, group=train.group
    )
    monkeypatch.setattr(cnn, "random_symmetry", lambda x, **_: x)
    summary = Cnn(channels=(16,), optimisation=brief(epochs=40, patience=40, batch=8))
    _, history = summary.fit(shuffled, shuffled, Run(seed=1))
    assert history.notes["memorisation"] == pytest.approx(0.0, abs=1e-6)
    best = min(history.curves["cnn"]["valid"])
    _, history = summary.fit(shuffled, valid, Run(seed=1))
    assert best < min(history.curves["cnn"]["valid"]) - 0.3


def test_parameters_are_made_normal_by_their_ranks():
    rng = np.random.default_rng(1)
    theta = np.repeat(np.exp(rng.normal(size=(99, 1))), 3, 0)
    train = rows_of(theta=theta, x=theta, group=np.repeat(np.arange(99), 3))
    gaussianise = cnn._gaussianiser(train)
    expected = ndtri(np.arange(1, 100) / 100)
    np.testing.assert_allclose(np.sort(gaussianise(theta[::3])[:, 0]), expected)
    np.testing.assert_allclose(gaussianise(np.array([[0.0], [1e9]]))[:, 0], expected[[0, -1]])


def test_data_that_do_not_fit_are_refused():
    vectors = rows_of(theta=np.zeros((4, 2)), x=np.zeros((4, 7)), group=np.arange(4))
    with pytest.raises(InputError, match=r"given data with shape \(N, 7\).*Use identity"):
        Cnn().fit(vectors, vectors, Run(seed=1))
    odd = dataset(4, 1, 1, (12, 12))
    with pytest.raises(InputError, match=r"given fields with sides \(12, 12\).*multiples of 8"):
        Cnn().fit(odd, odd, Run(seed=1))
    data = dataset(40, 1, 1)
    summariser, _ = Cnn(channels=(4,), optimisation=brief()).fit(data, data, Run(seed=1))
    with pytest.raises(InputError, match=r"given fields with shape \(1, 16, 16\); allowed: \(1, 8"):
        summariser(np.zeros((2, 1, 16, 16)))
