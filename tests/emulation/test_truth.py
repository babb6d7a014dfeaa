"""Which true fields are found, what an emulator draws beside them, and how both come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lognormal_emulator import SIMULATOR, LognormalEmulator, held_out
from rows import rows_of
from sbipipe.emulation import drawing, emulated, simulating, true_fields, truth
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.sample import FEWEST
from sbipipe.emulation.truth import Truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Generator
from sbipipe.priors.as_drawn import AsDrawn
from sbipipe.priors.prior import uniform_prior
from sbipipe.records import InputError
from sbipipe.seeds import stream

PRIOR = uniform_prior(a=(0.0, 2.0), b=(-1.0, 1.0))


class Noise:
    """White noise times the first parameter, as many maps as asked for; may fail."""

    def __init__(self, maps: int, failing: float = 0.0) -> None:
        self.maps, self.failing = maps, failing
        self.prior = PRIOR

    def simulate(self, theta: Array, rng: Generator) -> Array:
        if rng.random() < self.failing:
            raise ArithmeticError("an empty pixel")
        shape = (len(theta), self.maps, 1, 8, 8)
        x = theta[:, :1, None, None, None] * rng.standard_normal(shape)
        return x.reshape(-1, 1, 8, 8)


def test_chosen_simulations_cover_the_prior_and_differ() -> None:
    theta = PRIOR.sample(300, stream(0, "theta"))
    chosen = true_fields.spread(theta, PRIOR, 10, stream(0, "spread"))
    assert len(set(chosen.tolist())) == 10
    np.testing.assert_array_equal(chosen, true_fields.spread(theta, PRIOR, 10, stream(0, "spread")))
    quadrant = (PRIOR.to_unit(theta[chosen]) > 0.5) @ [1, 2]
    assert np.bincount(quadrant, minlength=4).min() >= 2
    assert len(true_fields.spread(theta[:4], PRIOR, 10, stream(0, "spread"))) == 4


def test_held_out_fields_are_those_of_one_simulation() -> None:
    group = np.repeat(np.arange(30), 15)
    theta = np.repeat(PRIOR.sample(30, stream(0, "theta")), 15, 0)
    x = np.broadcast_to(group[:, None, None, None].astype(float), (450, 1, 4, 4))
    order = stream(0, "order").permutation(450)
    rows = rows_of(theta=theta, x=x, group=group).rows(order)
    found, fields = true_fields.held_out(rows, PRIOR, stream(0, "held out"))
    assert fields.shape == (10, 15, 1, 4, 4)
    for one, values in zip(found, fields, strict=True):
        (number,) = np.unique(values)
        np.testing.assert_array_equal(one, theta[group == number][0])


def test_simulations_with_fewer_fields_are_passed_over_where_others_have_more() -> None:
    sizes = np.where(np.arange(24) % 2, 12, 3)
    group = np.repeat(np.arange(24), sizes)
    theta = PRIOR.sample(24, stream(0, "theta"))[group]
    rows = rows_of(theta=theta, x=np.zeros((len(group), 1, 4, 4)), group=group)
    assert true_fields.held_out(rows, PRIOR, stream(0, "x"))[1].shape[:2] == (10, 12)


def test_one_parameter_moves_at_a_time() -> None:
    prior = uniform_prior(**{f"p{i}": (0.0, 1.0) for i in range(8)})
    theta = true_fields.one_at_a_time(prior)
    assert theta.shape == (1 + 4 * true_fields.VARIED, 8)
    np.testing.assert_allclose(theta[0], 0.5)
    moved = theta[1:] != theta[0]
    assert (moved.sum(1) == 1).all()
    assert not moved[:, true_fields.VARIED :].any()
    np.testing.assert_allclose(theta[1:5, 0], true_fields.QUANTILES)


def test_where_parameters_depend_on_each_other_the_others_stay() -> None:
    normal = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], 600)
    theta = PRIOR.from_unbounded(normal)
    prior = AsDrawn(kind="as_drawn", within=PRIOR).fit(theta[:500], theta[500:], 0)
    moved = true_fields.one_at_a_time(prior)
    assert ((moved[1:] != moved[0]).sum(1) == 1).all()


@pytest.mark.parametrize(("maps", "rows", "each"), [(1, 15, 1), (2, 16, 2), (15, 15, 3)])
def test_one_seed_serves_every_theta(maps: int, rows: int, each: int) -> None:
    theta = np.array([[1.0, 0.0], [2.0, 0.0]])
    fields, failed = simulating.simulated(Noise(maps), theta, 0, "here")
    assert fields.shape == (rows, 2, 1, 8, 8)
    assert failed == 0
    np.testing.assert_allclose(fields[:, 1], 2 * fields[:, 0])
    assert len(np.unique(fields[:, 0, 0, 0, 0])) == rows
    again, _ = simulating.simulated(Noise(maps), theta[:1], 0, "here")
    np.testing.assert_array_equal(again[:, 0], fields[:, 0])
    other, _ = simulating.simulated(Noise(maps), theta[:1], 0, "there")
    assert not np.isin(other, fields).any()
    assert len(simulating.kept(Noise(maps))) == each


def test_simulations_that_fail_are_replaced_and_counted() -> None:
    fields, failed = simulating.simulated(Noise(1, 0.3), np.ones((1, 2)), 0, "here")
    assert fields.shape[0] == 15
    assert 0 < failed < 15
    with pytest.raises(InputError, match="16 seeds failed: ArithmeticError: an empty pixel"):
        simulating.simulated(Noise(1, 1.0), np.ones((1, 2)), 0, "here")


@pytest.mark.parametrize(
    ("maps", "fields", "shape"),
    [(1, 50, (50, 1)), (15, 60, (5, 12)), (15, 200, (14, 15)), (1000, 60, (5, 12))],
)
def test_a_sample_is_of_whole_simulations(maps: int, fields: int, shape: tuple[int, int]) -> None:
    theta = np.array([1.5, 0.0])
    one, failed = true_fields.sampled(Noise(maps), theta, fields, 0, "noise")
    assert failed == 0
    assert one.true.shape == one.control.shape == (*shape, 1, 8, 8)
    assert one.fields == shape[0] * shape[1] >= fields
    assert shape[0] >= FEWEST
    values = np.concatenate([one.true.ravel(), one.control.ravel()])
    assert len(np.unique(values)) == len(values)
    again, _ = true_fields.sampled(Noise(maps), theta, fields, 0, "noise")
    np.testing.assert_array_equal(again.true, one.true)


def test_simulations_of_a_sample_that_fail_are_replaced_and_counted() -> None:
    one, failed = true_fields.sampled(Noise(1, 0.3), np.ones(2), 50, 0, "noise")
    assert one.true.shape[0] == 50
    assert 10 < failed < 70
    with pytest.raises(InputError, match="seeds failed: ArithmeticError: an empty pixel"):
        true_fields.sampled(Noise(1, 1.0), np.ones(2), 50, 0, "noise")


@pytest.fixture(scope="module")
def found() -> Truth:
    one = true_fields.find(SIMULATOR, SIMULATOR.prior, held_out(), "maps", 3, 50, 20)
    assert isinstance(one, Truth)
    return one


def test_fields_of_other_seeds_lie_at_parameters_of_test_simulations(found: Truth) -> None:
    rows = held_out()
    assert found.again is not None
    np.testing.assert_array_equal(found.again.theta, rows.theta[evenly(60, 20)])
    assert found.again.fields.shape == (20, 1, 16, 16)
    assert (found.again.fields != rows.x[evenly(60, 20)]).mean() > 0.99
    theta = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    one, failed = simulating.one_at_each(Noise(15, 0.5), theta, 3, "noise")
    assert failed > 0
    assert len(np.unique(one)) == one.size == 3 * 64
    with pytest.raises(InputError, match="11 seeds failed: ArithmeticError: an empty pixel"):
        simulating.one_at_each(Noise(1, 1.0), theta, 0, "noise")


@pytest.fixture(scope="module")
def drawn(found: Truth) -> Drawn:
    return drawing.draw(LognormalEmulator(), found, "mine", 3, {"pixel_density": "chosen"})


def test_a_simulator_runs_again_for_the_truth_and_for_the_control(
    found: Truth, drawn: Drawn
) -> None:
    assert found.control is not None
    assert found.true.shape == found.control.shape == (10, 15, 1, 16, 16)
    assert drawn.generated.shape == (10, 50, 1, 16, 16)
    values = np.concatenate([x.ravel() for x in (found.true, found.control, drawn.generated)])
    assert len(np.unique(values)) > 0.99 * len(values)
    assert found.data == SIMULATOR.data


def test_equal_seeds_give_equal_fields_and_a_name_of_its_own_others(
    found: Truth, drawn: Drawn
) -> None:
    again = true_fields.find(SIMULATOR, SIMULATOR.prior, held_out(), "maps", 3)
    assert isinstance(again, Truth)
    np.testing.assert_array_equal(again.true, found.true)
    same = drawing.draw(LognormalEmulator(), again, "mine", 3)
    np.testing.assert_array_equal(same.generated, drawn.generated)
    other = drawing.draw(LognormalEmulator(), again, "other name", 3)
    assert (other.generated == drawn.generated).mean() < 0.01


def test_rows_of_a_response_share_their_noise(found: Truth, drawn: Drawn) -> None:
    """sigma_8 scales log(1 + delta) less its mean, and nothing else."""
    assert found.response is not None
    assert drawn.response.shape == found.response.true.shape == (15, 9, 1, 16, 16)
    for fields in (drawn.response, found.response.true):
        centred = fields - fields.mean((-2, -1), keepdims=True)
        ratio = found.varied[8, 1] / found.varied[0, 1]
        np.testing.assert_allclose(centred[:, 8], ratio * centred[:, 0], atol=1e-4)


def test_coarser_fields_have_the_same_means_on_fewer_pixels(found: Truth) -> None:
    geometry = replace(found.data.geometry, pixels=(4, 4))
    coarse = found.like(replace(found.data, geometry=geometry))
    assert coarse.data.geometry.pixels == (4, 4)
    assert coarse.sample is not None
    assert coarse.sample.control.shape == (50, 1, 1, 4, 4)
    assert coarse.again is not None
    assert coarse.again.fields.shape == (20, 1, 4, 4)
    assert coarse.true.shape == (10, 15, 1, 4, 4)
    np.testing.assert_allclose(coarse.true.mean((-2, -1)), found.true.mean((-2, -1)), atol=1e-5)
    np.testing.assert_allclose(
        coarse.true[0, 0, 0, 1, 2], found.true[0, 0, 0, 4:8, 8:12].mean(), rtol=1e-5
    )
    assert found.like(found.data) is found


@pytest.mark.parametrize("has_simulator", [True, False])
def test_what_is_saved_comes_back(found: Truth, tmp_path: Path, has_simulator: bool) -> None:
    one = found if has_simulator else made_elsewhere(12)
    assert isinstance(one, Truth)
    truth.save(tmp_path / "one.safetensors", one)
    back = truth.load(tmp_path / "one.safetensors")
    assert isinstance(back, Truth)
    for name in ("theta", "true", "control", "varied"):
        np.testing.assert_array_equal(getattr(back, name), getattr(one, name))
    assert (back.response is None) == (one.response is None)
    if back.response and one.response:
        np.testing.assert_array_equal(back.response.control, one.response.control)
        assert back.response.each == one.response.each
    assert (back.sample is None) == (one.sample is None) == (not has_simulator)
    if back.sample and one.sample:
        for name in ("theta", "true", "control"):
            expected = np.asarray(getattr(one.sample, name), np.float32)
            np.testing.assert_allclose(getattr(back.sample, name), expected)
    assert (back.again is None) == (one.again is None) == (not has_simulator)
    if back.again and one.again:
        np.testing.assert_array_equal(back.again.theta, one.again.theta)
        np.testing.assert_array_equal(back.again.fields, one.again.fields)
    plain = ("simulator", "parameters", "data", "failed")
    assert all(getattr(back, name) == getattr(one, name) for name in plain)
    truth.save(tmp_path / "none.safetensors", Unchecked("why"))
    assert truth.load(tmp_path / "none.safetensors") == Unchecked("why")


def test_what_is_drawn_comes_back(drawn: Drawn, tmp_path: Path) -> None:
    emulated.save(tmp_path / "one.safetensors", drawn)
    back = emulated.load(tmp_path / "one.safetensors")
    assert isinstance(back, Drawn)
    np.testing.assert_array_equal(back.generated, drawn.generated)
    np.testing.assert_array_equal(back.response, drawn.response)
    assert drawn.sample is not None
    assert drawn.sample.shape == (50, 1, 1, 16, 16)
    np.testing.assert_array_equal(back.sample, drawn.sample)
    assert (back.data, back.seen) == (drawn.data, {"pixel_density": "chosen"})
    emulated.save(tmp_path / "none.safetensors", Unchecked("why"))
    assert emulated.load(tmp_path / "none.safetensors") == Unchecked("why")


def made_elsewhere(each: int) -> Truth | Unchecked:
    """What is found where simulations were made elsewhere, `each` fields of every theta."""
    one = held_out(14)
    x = np.stack([
        SIMULATOR.simulate(np.repeat(theta[None], each, 0), stream(1, i))
        for i, theta in enumerate(one.theta)
    ])  # fmt: skip
    rows = rows_of(
        theta=np.repeat(one.theta, each, 0),
        x=x.reshape(-1, 1, 16, 16),
        group=np.repeat(np.arange(14), each),
    )
    return true_fields.find(object(), SIMULATOR.prior, rows, "cmd", 3)


def test_simulations_made_elsewhere_have_no_response_and_no_control() -> None:
    found = made_elsewhere(12)
    assert isinstance(found, Truth)
    assert found.true.shape[:2] == (10, 12)
    assert found.control is None
    assert found.response is None
    assert found.data.geometry.box is None


def test_what_cannot_be_checked_says_why() -> None:
    assert made_elsewhere(1) == Unchecked(
        "simulations of cmd have one field each; it takes 8 at one theta"
    )
    vectors = rows_of(theta=np.ones((9, 2)), x=np.ones((9, 3)), group=np.arange(9))
    found = true_fields.find(object(), PRIOR, vectors, "raw", 3)
    assert found == Unchecked("raw gives vectors, not fields")
