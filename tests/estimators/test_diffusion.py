"""The estimator on lognormal fields, whose likelihood is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lognormal_emulator import assert_emulates
from rows import rows_of
from sbipipe import storage
from sbipipe.config import parse
from sbipipe.diffusion import learning
from sbipipe.estimators.diffusion import Diffusion
from sbipipe.interfaces import Dataset, Emulator, InputError, Posterior, Run
from sbipipe.learning import training
from sbipipe.simulators.lognormal import Lognormal

SMALL: dict[str, Any] = {
    "degree": 2,
    "fields": 2,
    "network": {"width": 4, "multipliers": [1, 2]},
    "optimisation": {"epochs": 2, "batch": 64},
    "refine": 1,
    "levels": 6,
}


def make(**changes: Any) -> Diffusion:
    return parse(Diffusion, SMALL | changes, "train.diffusion.config")


def dataset(simulator: Lognormal, n: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    theta = simulator.prior.sample(n, rng)
    return rows_of(theta=theta, x=simulator.simulate(theta, rng), group=np.arange(n))


SIMULATOR = Lognormal(pixels=8, box=60.0, output="delta")
TRAIN, VALID, TEST = (dataset(SIMULATOR, n, seed) for seed, n in enumerate((400, 100, 6)))
CONDITIONINGS = ("linear", "factorised", "film")


def fit(estimator: Diffusion, **run: Any) -> Posterior:
    return estimator.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1, **run))[0]


@pytest.fixture(scope="module", params=CONDITIONINGS)
def conditioning(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def posterior(conditioning: str) -> Posterior:
    return fit(make(conditioning=conditioning))


def kl_from_exact(posterior: Posterior, simulator: Lognormal, x: np.ndarray) -> np.ndarray:
    """KL(exact || posterior) of each field on a grid over the prior, in nats."""
    axis = (np.arange(60) + 0.5) / 60
    q = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2)
    theta = np.repeat(simulator.prior.from_unit(q), len(x), 1)
    exact = simulator.log_likelihood(theta, x)
    found = posterior.at(x).log_prob(theta)
    shares = [np.exp(values - values.max(0)) for values in (exact, found)]
    p, r = (share / share.sum(0) for share in shares)
    return (p * (np.log(p + 1e-300) - np.log(r + 1e-300))).sum(0)


@pytest.mark.parametrize("output", ["log", "delta"])
def test_the_linear_bound_is_nearly_the_likelihood_of_lognormal_fields(output):
    """Fields of 16 x 16, so that the posterior is narrow; measured: 0.02 nats."""
    simulator = Lognormal(pixels=16, output=output)
    train, valid, test = (dataset(simulator, n, s) for s, n in enumerate((6000, 500, 60)))
    estimator = make(conditioning="linear", degree=4)
    posterior, _ = estimator.fit(train, valid, simulator.prior, Run(seed=0))
    kl = kl_from_exact(posterior, simulator, test.x)
    assert kl.mean() < 0.06


def test_the_density_integrates_to_one(posterior: Posterior):
    axis = (np.arange(90) + 0.5) / 90
    q = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2)
    theta = np.repeat(SIMULATOR.prior.from_unit(q), 6, 1)
    ratio = np.exp(posterior.at(TEST.x).log_prob(theta) - SIMULATOR.prior.log_prob(theta))
    np.testing.assert_allclose(ratio.mean(0), 1, atol=0.03)


def test_a_field_and_its_images_have_one_posterior(posterior: Posterior):
    theta = TEST.theta[None]
    expected = posterior.at(TEST.x).log_prob(theta)
    images = (
        np.roll(TEST.x, (3, 5), (2, 3)),
        TEST.x.transpose(0, 1, 3, 2),
        np.flip(np.roll(TEST.x, 1, 2), 3),
    )
    for image in images:
        np.testing.assert_allclose(posterior.at(image).log_prob(theta), expected, rtol=1e-6)


def test_a_field_that_is_not_finite_fails_alone(posterior: Posterior):
    x = TEST.x.copy()
    x[2, 0, 1, 1] = np.nan
    samples = posterior.at(x).sample(20, np.random.default_rng(0))
    failed = np.arange(6) == 2
    assert (np.isnan(samples.draws).all((0, 2)) == failed).all()
    assert ((samples.effective_sample_size == 0) == failed).all()


def test_restored_weights_give_the_same_bits(
    conditioning: str, posterior: Posterior, tmp_path: Path
):
    path = tmp_path / "weights.safetensors"
    storage.save_weights(path, posterior.weights)
    restored = make(conditioning=conditioning).restore(storage.load_weights(path), SIMULATOR.prior)
    theta = TEST.theta[None]
    values = [p.at(TEST.x).log_prob(theta) for p in (posterior, restored)]
    np.testing.assert_array_equal(*values)


def test_equal_seeds_give_equal_weights(conditioning: str, posterior: Posterior):
    again = fit(make(conditioning=conditioning)).weights.arrays
    for name, value in posterior.weights.arrays.items():
        np.testing.assert_array_equal(again[name], value)


def test_weights_of_another_model_are_an_error_but_terms_may_change(posterior: Posterior):
    kind = posterior.weights.meta["config"]["conditioning"]
    with pytest.raises(InputError, match=r"degree: given 3; the weights were trained with 2"):
        make(conditioning=kind, degree=3).restore(posterior.weights, SIMULATOR.prior)
    for terms in ("first_20", "l0", [0, 3, 7]):
        restored = make(conditioning=kind, terms=terms).restore(posterior.weights, SIMULATOR.prior)
        assert np.isfinite(restored.at(TEST.x).log_prob(TEST.theta[None])).all()


def test_it_draws_fields_in_the_simulators_units(posterior: Posterior):
    assert isinstance(posterior, Emulator)
    theta = np.repeat(TEST.theta[:1], 64, 0)
    drawn = posterior.emulate(theta, np.random.default_rng(0))
    assert drawn.shape == (64, *TEST.x.shape[1:])
    true = SIMULATOR.simulate(theta, np.random.default_rng(0))
    assert np.log1p(drawn).std() == pytest.approx(np.log1p(true).std(), rel=0.2)


@pytest.mark.parametrize("kind", ["sde", "dpm", "ddim", "ancestral"])
def test_it_is_an_emulator_whichever_way_it_draws(posterior: Posterior, kind: str):
    conditioning = posterior.weights.meta["config"]["conditioning"]
    estimator = make(conditioning=conditioning, sampler={"kind": kind, "steps": 10})
    drawing = estimator.restore(posterior.weights, SIMULATOR.prior)
    assert_emulates(drawing, TEST.theta, TEST.x.shape[1:])


def test_a_coarse_model_scores_fields_and_draws_none():
    """Its posterior knows less; shifts by one pixel change nothing all the same."""
    estimator = make(conditioning="linear", coarsen=2, temper=True)
    fitted, _ = estimator.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))
    posterior, notes = estimator.recalibrate(fitted, VALID)
    assert not isinstance(posterior, Emulator)
    assert 0.5 < notes["strength"] < 1.5
    theta = TEST.theta[None]
    values = [posterior.at(x).log_prob(theta) for x in (TEST.x, np.roll(TEST.x, 1, 2))]
    np.testing.assert_allclose(*values, rtol=1e-6)
    restored = estimator.restore(posterior.weights, SIMULATOR.prior)
    np.testing.assert_array_equal(restored.at(TEST.x).log_prob(theta), values[0])
    with pytest.raises(InputError, match=r"config.coarsen: given 3; allowed"):
        make(coarsen=3).fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))


class InterruptedFitError(Exception):
    """Stands for a kill."""


START = {"coarsen": 2, "optimisation": {"epochs": 2, "batch": 64}}


@pytest.mark.parametrize(
    ("conditioning", "start", "after"),
    [("factorised", None, 11), ("film", None, 11), ("factorised", START, 11), ("film", START, 27)],
)
def test_an_interrupted_fit_ends_with_the_same_weights(
    tmp_path, monkeypatch, conditioning, start, after
):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    estimator = make(conditioning=conditioning, start=start)
    expected = fit(estimator).weights.arrays
    loss, calls = learning.noise_loss, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > after:
            raise InterruptedFitError
        return loss(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(learning, "noise_loss", interrupted)
        with pytest.raises(InterruptedFitError):
            fit(estimator, checkpoint=tmp_path)
    assert list(tmp_path.iterdir())
    resumed = fit(estimator, checkpoint=tmp_path).weights.arrays
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_a_start_on_coarse_fields_is_what_the_network_goes_on_from(conditioning: str):
    """With steps too small to change it, it stays what the coarse fields made it."""
    still = {"epochs": 1, "batch": 64, "learning_rate": 1e-12}
    settings = {"conditioning": conditioning, "optimisation": still, "refine": 0}
    begun, history = make(start=START, **settings).fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))
    coarse = make(conditioning=conditioning, coarsen=2, optimisation=START["optimisation"])
    expected = coarse._learn(TRAIN, VALID, SIMULATOR.prior, Run(seed=1), "diffusion start")[0]
    if conditioning == "linear":
        assert not history.curves
        return
    assert list(history.curves) == ["diffusion start", "diffusion"]
    for name, value in expected.weights.arrays.items():
        if name.startswith("model/network"):
            np.testing.assert_allclose(begun.weights.arrays[name], value, atol=1e-6)
    with pytest.raises(InputError, match=r"config.coarsen: given 3; allowed"):
        make(start={"coarsen": 3}).fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))


def test_the_coarse_model_may_score_and_the_fine_one_draw(tmp_path: Path):
    estimator = make(start=START, bound="start", temper=True)
    fitted, history = estimator.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))
    posterior, notes = estimator.recalibrate(fitted, VALID)
    coarse = make(coarsen=2, temper=True, optimisation=START["optimisation"])
    begun, alone = coarse._learn(TRAIN, VALID, SIMULATOR.prior, Run(seed=1), "diffusion start")
    expected, expected_notes = coarse.recalibrate(begun, VALID)
    assert (history.notes, notes) == (alone.notes, expected_notes)
    theta = TEST.theta[None]
    scored = posterior.at(TEST.x).log_prob(theta)
    np.testing.assert_array_equal(scored, expected.at(TEST.x).log_prob(theta))
    assert isinstance(posterior, Emulator)
    assert_emulates(posterior, TEST.theta, TEST.x.shape[1:])
    path = tmp_path / "weights.safetensors"
    storage.save_weights(path, posterior.weights)
    restored = estimator.restore(storage.load_weights(path), SIMULATOR.prior)
    np.testing.assert_array_equal(restored.at(TEST.x).log_prob(theta), scored)
    drawn = [p.emulate(TEST.theta, np.random.default_rng(0)) for p in (posterior, restored)]
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"bound": "start"}, r"config.bound: given start, without config.start; allowed: fields"),
        (
            {"bound": "start", "start": START, "coarsen": 2},
            r"config.coarsen: given 2; allowed with config.bound start: 1",
        ),
    ],
)
def test_a_bound_that_nothing_has_is_an_error(changes: dict[str, Any], problem: str):
    with pytest.raises(InputError, match=problem):
        make(**changes).fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))


def test_vectors_are_an_error():
    rows = rows_of(theta=TRAIN.theta, x=TRAIN.x[:, 0, 0], group=TRAIN.group)
    with pytest.raises(InputError, match="diffusion: given data with shape"):
        make().fit(rows, rows, SIMULATOR.prior, Run(seed=0))


def test_fields_of_another_shape_are_an_error(posterior: Posterior):
    with pytest.raises(InputError, match="diffusion: given fields with shape"):
        posterior.at(TEST.x[:, :, :4])


@pytest.mark.parametrize("shape", [(16,), (8, 8, 8)])
def test_one_and_three_dimensions_work_by_the_same_code(shape):
    rng = np.random.default_rng(0)
    theta = SIMULATOR.prior.sample(60, rng)
    amplitude = theta[:, 1].reshape(-1, 1, *[1] * len(shape))
    x = (rng.normal(size=(60, 2, *shape)) * amplitude).astype(np.float32)
    rows = rows_of(theta=theta, x=x, group=np.arange(60))
    posterior, _ = make().fit(rows, rows, SIMULATOR.prior, Run(seed=0))
    assert np.isfinite(posterior.at(x[:3]).log_prob(theta[None, :3])).all()
    assert posterior.emulate(theta[:2], rng).shape == (2, 2, *shape)


def test_a_posterior_with_a_start_is_restored(tmp_path: Path):
    estimator = make(start=START)
    posterior, _ = estimator.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))
    path = tmp_path / "weights.safetensors"
    storage.save_weights(path, posterior.weights)
    restored = estimator.restore(storage.load_weights(path), SIMULATOR.prior)
    values = [p.at(TEST.x).log_prob(TEST.theta[None]) for p in (posterior, restored)]
    np.testing.assert_array_equal(*values)
