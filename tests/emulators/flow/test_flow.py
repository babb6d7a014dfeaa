"""The flow on fields whose likelihood is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

import windows
from interruption import interrupted
from lognormal_emulator import assert_emulates
from rows import rows_of, simulated
from sbipipe import storage
from sbipipe.emulators.flow import Flow, learning
from sbipipe.emulators.flow.emulator import FlowEmulator
from sbipipe.interfaces import Array, Run
from sbipipe.learning import training
from sbipipe.learning.chebyshev import Basis, scaled, unresolved
from sbipipe.physics.position import standard_position
from sbipipe.records import InputError, parse
from sbipipe.simulators.lognormal import Lognormal

SMALL: dict[str, Any] = {
    "degree": 2,
    "surface": 8,
    "couplings": 0,
    "width": 4,
    "optimisation": {"epochs": 2, "batch": 64},
    "discriminate": {"epochs": 2},
}


ROUNDING = 1e-3
"""Of a log-likelihood in single precision, in nats."""


def make(**changes: Any) -> Flow:
    return parse(Flow, SMALL | changes, "emulate.flow.config")


SIMULATOR = Lognormal(pixels=8, box=60.0, output="delta")
TRAIN, VALID, TEST = (simulated(SIMULATOR, n, seed) for seed, n in enumerate((400, 100, 6)))


def fit(kind: Flow, **run: Any) -> FlowEmulator:
    found = kind.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1, **run))[0]
    assert isinstance(found, FlowEmulator)
    return found


@pytest.fixture(scope="module", params=[0, 2])
def emulator(request: pytest.FixtureRequest) -> FlowEmulator:
    """The closed form, and a flow with couplings."""
    return fit(make(couplings=request.param))


def images(x: np.ndarray) -> list[np.ndarray]:
    """Of fields (N, C, n, n) under shifts, a reflection and a rotation."""
    return [
        np.roll(x, (3, 5), (2, 3)),
        x.transpose(0, 1, 3, 2),
        np.flip(np.roll(x, 1, 2), 3),
        np.rot90(x, 1, (2, 3)),
    ]


@pytest.mark.parametrize("output", ["log", "delta"])
def test_the_closed_form_is_nearly_the_likelihood_of_lognormal_fields(output: str) -> None:
    """Fields of 16 x 16, so that the posterior is narrow; KL(exact, flow) on a grid over the
    prior."""
    simulator = Lognormal(pixels=16, output=output)
    train, valid, test = (simulated(simulator, n, s) for s, n in enumerate((6000, 500, 60)))
    emulator, _ = make(degree=4).fit(train, valid, simulator.prior, Run(seed=0))
    assert isinstance(emulator, FlowEmulator)
    axis = (np.arange(60) + 0.5) / 60
    q = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    theta = simulator.prior.from_unit(q)
    exact = simulator.log_likelihood(np.repeat(theta[:, None], 60, 1), test.x)
    found = Basis(2, 8)(scaled(q)).numpy() @ emulator.surfaces(test.x).T
    shares = [np.exp(values - values.max(0)) for values in (exact, found)]
    p, r = (share / share.sum(0) for share in shares)
    kl = (p * (np.log(p + 1e-300) - np.log(r + 1e-300))).sum(0)
    assert kl.mean() < 0.06


def test_no_bit_of_a_surface_depends_on_shifts_reflections_and_rotations(
    emulator: FlowEmulator,
) -> None:
    expected = emulator.surfaces(TEST.x)
    for image in images(TEST.x):
        np.testing.assert_array_equal(emulator.surfaces(image), expected)


def test_the_surface_of_a_field_is_its_own_whatever_lies_beside_it(emulator: FlowEmulator) -> None:
    expected = emulator.surfaces(TEST.x)
    alone = emulator.surfaces(TEST.x[4:5])
    among = emulator.surfaces(np.concatenate([TRAIN.x[:30], TEST.x[4:5], TRAIN.x[30:40]]))
    for one in (alone[0], among[30]):
        np.testing.assert_allclose(one, expected[4], rtol=1e-5, atol=1e-4)


def test_a_surface_is_the_log_likelihood_up_to_a_constant(emulator: FlowEmulator) -> None:
    """At parameters that are no nodes; within what the terms of the highest degree weigh. That of
    couplings is the mean over four images."""
    rng = np.random.default_rng(5)
    couplings = emulator.settings.couplings
    finer = make(surface=14, couplings=couplings).restore(emulator.weights, SIMULATOR.prior)
    assert isinstance(finer, FlowEmulator)
    theta = np.repeat(SIMULATOR.prior.sample(5, rng), len(TEST), 0)
    settled = np.tile(standard_position(TEST.x), (5, 1, 1, 1))
    shifts = [(0, 0), (0, 1), (1, 0), (1, 1)]
    values = [emulator.log_prob(theta, np.roll(settled, shift, (2, 3))) for shift in shifts]
    assert np.allclose(values[0], values[3], rtol=1e-6) == (couplings == 0)
    exact = np.mean(values, 0).reshape(5, -1)
    s = scaled(SIMULATOR.prior.to_unit(theta[:: len(TEST)]))
    errors = []
    for model in (emulator, finer):
        basis, surfaces = Basis(2, model.degree), model.surfaces(TEST.x)
        found = (basis(s) @ surfaces.T).numpy()
        errors.append(np.abs(found - found[0] - exact + exact[0]).max(0))
        assert (errors[-1] < 2 * unresolved(surfaces, basis) + ROUNDING).all()
    assert errors[1].mean() < errors[0].mean() / 2


def test_log_probabilities_are_those_of_the_fields_in_their_own_units(
    emulator: FlowEmulator,
) -> None:
    """A field through a change of units by its pixels' map: the slope of every pixel counts."""
    y = emulator.pixels(TEST.x)
    of_y = emulator.log_prob(TEST.theta, TEST.x) - emulator.pixels.log_jacobian(TEST.x)
    back = emulator.pixels.inverse(y)
    again = emulator.log_prob(TEST.theta, back) - emulator.pixels.log_jacobian(back)
    np.testing.assert_allclose(of_y, again, rtol=1e-4, atol=1e-2)


def test_drawn_fields_have_the_true_spread(emulator: FlowEmulator) -> None:
    theta = np.repeat(TEST.theta[:1], 64, 0)
    drawn = emulator.draw(theta, np.random.default_rng(0))
    assert drawn.shape == (64, *TEST.x.shape[1:])
    true = SIMULATOR.simulate(theta, np.random.default_rng(0))
    assert np.log1p(drawn).std() == pytest.approx(np.log1p(true).std(), rel=0.2)


def test_a_coarse_flow_scores_whole_fields_and_draws_coarse_ones(tmp_path: Path) -> None:
    kind = make(coarsen=2)
    coarse = fit(kind)
    assert coarse.data.geometry.pixels == (4, 4)
    assert_emulates(coarse, TEST.theta)
    expected = coarse.surfaces(TEST.x)
    for image in images(TEST.x):
        np.testing.assert_array_equal(coarse.surfaces(image), expected)
    storage.save_weights(tmp_path / "weights.safetensors", coarse.weights)
    restored = kind.restore(storage.load_weights(tmp_path / "weights.safetensors"), SIMULATOR.prior)
    assert isinstance(restored, FlowEmulator)
    np.testing.assert_array_equal(restored.surfaces(TEST.x), expected)
    with pytest.raises(InputError, match=r"config.coarsen: given 3; allowed"):
        fit(make(coarsen=3))


def test_weights_of_another_flow_are_an_error_but_scoring_may_change(
    emulator: FlowEmulator,
) -> None:
    same = {"couplings": emulator.settings.couplings}
    with pytest.raises(InputError, match=r"degree: given 3; the weights were trained with 2"):
        make(degree=3, **same).restore(emulator.weights, SIMULATOR.prior)
    sharp = make(surface=3, sharpest=1e-6, **same).restore(emulator.weights, SIMULATOR.prior)
    assert isinstance(sharp, FlowEmulator)
    assert sharp.degree == 3
    assert np.isnan(sharp.surfaces(TEST.x)).all()


@pytest.mark.parametrize("phase", ["negative_gain", "missed"])
def test_an_interrupted_fit_ends_with_the_same_weights(tmp_path, monkeypatch, phase: str) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    kind = make(couplings=2)
    expected = fit(kind).weights.arrays
    with interrupted(monkeypatch, learning, phase, 11):
        fit(kind, checkpoint=tmp_path)
    assert list(tmp_path.iterdir())
    resumed = fit(kind, checkpoint=tmp_path).weights.arrays
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value)


def test_sides_that_do_not_halve_leave_the_closed_form_alone() -> None:
    simulator = Lognormal(pixels=9, box=60.0)
    rows = simulated(simulator, 40, 0)
    with pytest.raises(
        InputError, match=r"couplings: given 2; allowed for fields .* \(9, 9\).*: 0"
    ):
        make(couplings=2).fit(rows, rows, simulator.prior, Run(seed=0))
    with pytest.raises(InputError, match=r"levels: given 4; allowed for fields .* at most 3"):
        fit(make(couplings=2, levels=4))
    emulator, _ = make().fit(rows, rows, simulator.prior, Run(seed=0))
    assert_emulates(emulator, rows.theta[:3])


@pytest.fixture(scope="module")
def window() -> FlowEmulator:
    train, valid = windows.rows(4000, 0), windows.rows(300, 1)
    found = make(degree=3).fit(train, valid, windows.PRIOR, Run(seed=0))[0]
    assert isinstance(found, FlowEmulator)
    return found


def test_the_closed_form_is_nearly_the_likelihood_of_windows(window: FlowEmulator) -> None:
    """KL(exact, flow) on a grid over the prior, which is several times as large where the windows
    are taken to wrap around."""
    test = windows.rows(40, 2)
    axis = (np.arange(30) + 0.5) / 30
    q = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    exact = windows.log_likelihood(windows.PRIOR.from_unit(q), test.x)
    held_out, train = (windows.rows(n, seed, periodic=True) for seed, n in ((2, 40), (0, 4000)))
    jumping = make(degree=3).fit(train, held_out, windows.PRIOR, Run(seed=0))[0]

    def kl(surfaces: Array) -> float:
        found = Basis(2, 8)(scaled(q)).numpy() @ surfaces.T
        p, r = (np.exp(v - special.logsumexp(v, 0)) for v in (exact, found))
        return float((p * (np.log(p + 1e-300) - np.log(r + 1e-300))).sum(0).mean())

    assert kl(window.surfaces(test.x)) < 0.06
    assert kl(jumping.surfaces(test.x)) > 5 * kl(window.surfaces(test.x))


@pytest.mark.parametrize("couplings", [0, 2])
def test_windows_are_mirrored_and_rotated_but_not_shifted(couplings: int) -> None:
    windows.assert_mirrored_and_rotated(make(couplings=couplings), windows.rows(4, 2), 0.1)


def test_drawn_windows_jump_at_their_sides(window: FlowEmulator) -> None:
    """As the true ones do; between neighbours the step is smaller."""
    theta = np.tile([0.0, -2.5], (300, 1))
    drawn = window.draw(theta, np.random.default_rng(0))
    within, across = np.diff(drawn, axis=2).std(), (drawn[:, :, 0] - drawn[:, :, -1]).std()
    assert across > 1.5 * within


def test_fields_of_another_shape_are_an_error(emulator: FlowEmulator) -> None:
    with pytest.raises(InputError, match="flow: given fields with shape"):
        emulator.surfaces(TEST.x[:, :, :4])


@pytest.mark.parametrize("shape", [(64,), (8, 8), (4, 4, 4)])
def test_dimensions_and_channels_work_by_the_same_code(shape: tuple[int, ...]) -> None:
    """Two channels of one white noise each, the second of which holds the first: the surface is
    highest at the amplitude that made the field."""
    rng = np.random.default_rng(0)
    theta = SIMULATOR.prior.sample(300, rng)
    amplitude = theta[:, 1].reshape(-1, 1, *[1] * len(shape))
    x = rng.normal(size=(300, 2, *shape)) * amplitude
    x[:, 1] += x[:, 0]
    rows = rows_of(theta=theta, x=x.astype(np.float32), group=np.arange(300))
    emulator, _ = make(sharpest=1e3).fit(rows, rows, SIMULATOR.prior, Run(seed=0))
    assert isinstance(emulator, FlowEmulator)
    truth = scaled(SIMULATOR.prior.to_unit(theta))
    line = np.linspace(-1, 1, 41)
    s = np.stack([np.zeros(41), line], -1)
    values = emulator.surfaces(rows.x) @ Basis(2, 8)(scaled((s + 1) / 2)).numpy().T
    likeliest = line[values.argmax(1)]
    assert np.corrcoef(likeliest, truth[:, 1])[0, 1] > 0.8
    drawn = emulator.draw(theta[:200], rng)
    assert drawn.shape == (200, 2, *shape)
    assert np.corrcoef(drawn[:, 0].ravel(), drawn[:, 1].ravel())[0, 1] == pytest.approx(
        0.5**0.5, abs=0.05
    )
