"""The diffusion model on lognormal fields, whose likelihood is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import windows
from interruption import interrupted
from lognormal_emulator import assert_emulates
from rows import rows_of, simulated
from sbipipe import storage
from sbipipe.emulators.diffusion import Diffusion, learning
from sbipipe.emulators.diffusion.emulator import DiffusionEmulator
from sbipipe.estimators.surface import Surface
from sbipipe.interfaces import Run, Scored, Weights
from sbipipe.learning import training
from sbipipe.protocols import Posterior
from sbipipe.records import InputError, parse
from sbipipe.simulators.lognormal import Lognormal

SMALL: dict[str, Any] = {
    "degree": 2,
    "network": {"width": 4, "multipliers": [1, 2]},
    "optimisation": {"epochs": 2, "batch": 64},
    "scoring": {"levels": 6},
}
FACTORISED: dict[str, Any] = {"fields": 2, "refine": 1}
"""What only this conditioning has."""


def make(**changes: Any) -> Diffusion:
    factorised = changes.get("conditioning", "factorised") == "factorised"
    settings = SMALL | (FACTORISED if factorised else {}) | changes
    return parse(Diffusion, settings, "emulate.diffusion.config")


SIMULATOR = Lognormal(pixels=8, box=60.0, output="delta")
TRAIN, VALID, TEST = (simulated(SIMULATOR, n, seed) for seed, n in enumerate((400, 100, 6)))
CONDITIONINGS = ("linear", "factorised", "film")


def fit(kind: Diffusion, **run: Any) -> DiffusionEmulator:
    found = kind.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1, **run))[0]
    assert isinstance(found, DiffusionEmulator)
    return found


def go_on(kind: Diffusion, begun: DiffusionEmulator) -> DiffusionEmulator:
    found = kind.go_on(begun, TRAIN, VALID, SIMULATOR.prior, Run(seed=1))[0]
    assert isinstance(found, DiffusionEmulator)
    return found


def posterior_of(emulator: DiffusionEmulator) -> Posterior:
    """What the estimator `surface` makes of its surfaces."""
    return Surface().restore(Weights(meta={"degree": emulator.degree}), emulator.prior)


@pytest.fixture(scope="module", params=CONDITIONINGS)
def conditioning(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def emulator(conditioning: str) -> DiffusionEmulator:
    return fit(make(conditioning=conditioning))


def kl_from_exact(emulator: DiffusionEmulator, simulator: Lognormal, x: np.ndarray) -> np.ndarray:
    """KL(exact || posterior) of each field on a grid over the prior, in nats."""
    axis = (np.arange(60) + 0.5) / 60
    q = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2)
    theta = np.repeat(simulator.prior.from_unit(q), len(x), 1)
    exact = simulator.log_likelihood(theta, x)
    found = posterior_of(emulator).at(emulator.surfaces(x)).log_prob(theta)
    shares = [np.exp(values - values.max(0)) for values in (exact, found)]
    p, r = (share / share.sum(0) for share in shares)
    return (p * (np.log(p + 1e-300) - np.log(r + 1e-300))).sum(0)


@pytest.mark.parametrize("output", ["log", "delta"])
def test_the_linear_bound_is_nearly_the_likelihood_of_lognormal_fields(output):
    """Fields of 16 x 16, so that the posterior is narrow; measured: 0.02 nats."""
    simulator = Lognormal(pixels=16, output=output)
    train, valid, test = (simulated(simulator, n, s) for s, n in enumerate((6000, 500, 60)))
    kind = make(conditioning="linear", degree=4)
    emulator, _ = kind.fit(train, valid, simulator.prior, Run(seed=0))
    assert isinstance(emulator, DiffusionEmulator)
    assert kl_from_exact(emulator, simulator, test.x).mean() < 0.06


def test_a_field_and_its_images_have_one_surface(emulator: DiffusionEmulator):
    expected = emulator.surfaces(TEST.x)
    images = (
        np.roll(TEST.x, (3, 5), (2, 3)),
        TEST.x.transpose(0, 1, 3, 2),
        np.flip(np.roll(TEST.x, 1, 2), 3),
    )
    for image in images:
        np.testing.assert_allclose(emulator.surfaces(image), expected, rtol=1e-6, atol=1e-8)


def test_the_surface_of_a_field_is_its_own_whatever_lies_beside_it(emulator: DiffusionEmulator):
    expected = emulator.scored(TEST.x)
    alone = emulator.scored(TEST.x[4:5])
    among = emulator.scored(np.concatenate([TRAIN.x[:30], TEST.x[4:5], TRAIN.x[30:40]]))
    for one in (alone.coefficients[0], among.coefficients[30]):
        np.testing.assert_allclose(one, expected.coefficients[4], rtol=1e-4, atol=1e-4)
    assert alone.draws[0] == among.draws[30] == expected.draws[4]


def test_draws_rise_until_the_error_is_small_or_they_are_as_many_as_allowed(
    emulator: DiffusionEmulator,
):
    def scored(**scoring: Any) -> Scored:
        kind = make(conditioning=emulator.settings.conditioning, scoring={"levels": 6, **scoring})
        return kind.restore(emulator.weights, SIMULATOR.prior).scored(TEST.x)

    few = scored(error=1e9)
    assert (few.draws == 2).all()
    if emulator.settings.conditioning == "linear":
        assert (few.error == 0).all()
        return
    assert (few.error > 0).all()
    many = scored(error=1e-9, most=32)
    assert (many.draws == 32).all()
    assert many.error.max() < few.error.max() / 2
    between = scored(error=float(np.median(few.error)), most=8)
    assert set(between.draws) <= {2, 4, 8}
    assert ((between.error <= np.median(few.error)) | (between.draws == 8)).all()


def test_weights_of_another_model_are_an_error_but_scoring_may_change(
    emulator: DiffusionEmulator,
):
    kind = emulator.settings.conditioning
    with pytest.raises(InputError, match=r"degree: given 3; the weights were trained with 2"):
        make(conditioning=kind, degree=3).restore(emulator.weights, SIMULATOR.prior)
    for terms in ("first_20", "l0", [0, 3, 7]):
        changed = make(conditioning=kind, scoring={"terms": terms})
        restored = changed.restore(emulator.weights, SIMULATOR.prior)
        assert np.isfinite(restored.surfaces(TEST.x)).all()


def test_it_draws_fields_in_the_simulators_units(emulator: DiffusionEmulator):
    theta = np.repeat(TEST.theta[:1], 64, 0)
    drawn = emulator.draw(theta, np.random.default_rng(0))
    assert drawn.shape == (64, *TEST.x.shape[1:])
    true = SIMULATOR.simulate(theta, np.random.default_rng(0))
    assert np.log1p(drawn).std() == pytest.approx(np.log1p(true).std(), rel=0.2)


@pytest.mark.parametrize("kind", ["sde", "dpm", "ddim", "ancestral"])
def test_it_is_an_emulator_whichever_way_it_draws(emulator: DiffusionEmulator, kind: str):
    conditioning = emulator.settings.conditioning
    drawing = make(conditioning=conditioning, sampler={"kind": kind, "steps": 10})
    assert_emulates(drawing.restore(emulator.weights, SIMULATOR.prior), TEST.theta)


def test_a_coarse_model_scores_whole_fields_and_draws_coarse_ones(tmp_path: Path):
    """Its surfaces know less; shifts by one pixel change nothing all the same."""
    kind = make(conditioning="linear", coarsen=2)
    coarse = fit(kind)
    assert coarse.data.geometry.pixels == (4, 4)
    assert_emulates(coarse, TEST.theta)
    values = [coarse.surfaces(x) for x in (TEST.x, np.roll(TEST.x, 1, 2))]
    np.testing.assert_allclose(*values, rtol=1e-6, atol=1e-8)
    storage.save_weights(tmp_path / "weights.safetensors", coarse.weights)
    weights = storage.load_weights(tmp_path / "weights.safetensors")
    restored = kind.restore(weights, SIMULATOR.prior)
    np.testing.assert_array_equal(restored.surfaces(TEST.x), values[0])
    with pytest.raises(InputError, match=r"config.coarsen: given 3; allowed"):
        fit(make(coarsen=3))


@pytest.mark.parametrize("conditioning", ["factorised", "film"])
def test_an_interrupted_fit_ends_with_the_same_weights(tmp_path, monkeypatch, conditioning):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    kind = make(conditioning=conditioning)
    expected = fit(kind).weights.arrays
    with interrupted(monkeypatch, learning, "noise_loss", 11):
        fit(kind, checkpoint=tmp_path)
    assert list(tmp_path.iterdir())
    resumed = fit(kind, checkpoint=tmp_path).weights.arrays
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_a_network_goes_on_from_one_of_coarse_fields(conditioning: str):
    """With steps too small to change it, it stays what the coarse fields made it."""
    coarse = fit(make(conditioning=conditioning, coarsen=2))
    still = {"epochs": 1, "batch": 64, "learning_rate": 1e-12}
    fine = go_on(make(conditioning=conditioning, optimisation=still, refine=0), coarse)
    assert fine.data.geometry.pixels == (8, 8)
    for name, value in coarse.weights.arrays.items():
        if name.startswith("model/network"):
            np.testing.assert_allclose(fine.weights.arrays[name], value, atol=1e-6)


def test_a_network_of_another_size_cannot_go_on():
    coarse = fit(make(coarsen=2))
    with pytest.raises(InputError, match=r"config.fields: given 3; allowed: .* 2"):
        go_on(make(fields=3), coarse)


def test_fields_that_do_not_wrap_around_are_mirrored_and_rotated_but_not_shifted():
    """Where theta enters each block; the contracts have coefficients."""
    kind = make(conditioning="film", degree=4)
    windows.assert_mirrored_and_rotated(kind, windows.rows(4, 1), 0.01)


def test_fields_of_another_shape_are_an_error(emulator: DiffusionEmulator):
    with pytest.raises(InputError, match="diffusion: given fields with shape"):
        emulator.surfaces(TEST.x[:, :, :4])


@pytest.mark.parametrize("shape", [(16,), (8, 8, 8)])
def test_one_and_three_dimensions_work_by_the_same_code(shape):
    """However sharp: a volume of white noise says more of its amplitude than a parabola can."""
    rng = np.random.default_rng(0)
    theta = SIMULATOR.prior.sample(60, rng)
    amplitude = theta[:, 1].reshape(-1, 1, *[1] * len(shape))
    x = (rng.normal(size=(60, 2, *shape)) * amplitude).astype(np.float32)
    rows = rows_of(theta=theta, x=x, group=np.arange(60))
    kind = make(scoring={"levels": 6, "sharpest": 1e3})
    emulator, _ = kind.fit(rows, rows, SIMULATOR.prior, Run(seed=0))
    assert isinstance(emulator, DiffusionEmulator)
    assert np.isfinite(emulator.surfaces(x[:3])).all()
    assert emulator.draw(theta[:2], rng).shape == (2, 2, *shape)
