"""The kind `gan`: what it takes, what it is told, and an interruption that leaves no trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contracts import quick
from lognormal_emulator import SIMULATOR, held_out
from rows import described
from sbipipe.emulators.gan import Gan
from sbipipe.emulators.gan.settings import OWN
from sbipipe.interfaces import Array, Dataset, Geometry, Run
from sbipipe.learning import players
from sbipipe.protocols import Emulator, Reads
from sbipipe.records import InputError

ROWS = held_out(90)
TRAIN, VALID = ROWS.rows(slice(60)), ROWS.rows(slice(60, 90))
THETA = np.array([[0.2, 0.7], [0.4, 0.9]])
COSMOGAN = {"architecture": "cosmogan", "latent": 4}
RNG = np.random.default_rng


def fit(rows: tuple[Dataset, Dataset] = (TRAIN, VALID), **changes: Any) -> Emulator:
    made: Gan = quick("emulate", "gan", **changes)
    return made.fit(*rows, SIMULATOR.prior, Run(seed=1))[0]


def with_fields(x: Array, **geometry: Any) -> tuple[Dataset, Dataset]:
    rows = replace(ROWS, x=x, data=described(x, **geometry))
    return rows.rows(slice(60)), rows.rows(slice(60, 90))


@pytest.mark.parametrize(
    ("condition", "seen"),
    [("all", (True, True)), ("none", (False, False)), (["sigma_8"], (False, True))],
)
def test_fields_depend_on_the_parameters_that_the_players_are_told(
    condition: Any, seen: tuple[bool, bool]
) -> None:
    emulator = fit(condition=tuple(condition) if isinstance(condition, list) else condition)
    for axis, told in enumerate(seen):
        theta = np.repeat(THETA[:1], 2, 0)
        theta[1, axis] = THETA[1, axis]
        one, other = emulator.draw(theta, RNG(0), same_noise=True)
        assert np.allclose(one, other, rtol=1e-5, atol=1e-5) != told


@pytest.mark.parametrize("architecture", [{}, COSMOGAN])
def test_an_interruption_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: Mapping[str, Any]
) -> None:
    monkeypatch.setattr(players, "CHECKPOINT_SECONDS", 0.0)
    optimisation = {"steps": 4, "score_every": 1, "batch": 16}
    made: Gan = quick("emulate", "gan", **architecture, optimisation=optimisation)
    whole, _ = made.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))

    run, calls, right = Run(seed=1, checkpoint=tmp_path), iter(range(2)), players._epoch

    def epoch(*given: Any) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        right(*given)

    monkeypatch.setattr(players, "_epoch", epoch)
    with pytest.raises(KeyboardInterrupt):
        made.fit(TRAIN, VALID, SIMULATOR.prior, run)
    monkeypatch.setattr(players, "_epoch", right)
    resumed, history = made.fit(TRAIN, VALID, SIMULATOR.prior, run)
    assert history.curves["gan"]["step"] == (1.0, 2.0, 3.0, 4.0)
    for name, value in whole.weights.arrays.items():
        np.testing.assert_array_equal(resumed.weights.arrays[name], value)


def test_cosmogan_draws_within_the_range_that_it_was_shown_and_is_restored() -> None:
    made: Gan = quick("emulate", "gan", **COSMOGAN)
    emulator, _ = made.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))
    drawn = emulator.draw(THETA, RNG(0))
    assert TRAIN.x.min() - 1e-5 <= drawn.min() < drawn.max() <= TRAIN.x.max() + 1e-5
    restored = made.restore(emulator.weights, SIMULATOR.prior)
    np.testing.assert_array_equal(restored.draw(THETA, RNG(0)), drawn)


@pytest.mark.parametrize("architecture", [{}, COSMOGAN])
def test_its_critic_reads_fields_and_is_restored(architecture: Mapping[str, Any]) -> None:
    made: Gan = quick("emulate", "gan", **architecture)
    emulator, _ = made.fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))
    assert isinstance(emulator, Reads)
    features = emulator.features(ROWS.x[:5], THETA[0])
    assert len(features) == 5
    assert np.isfinite(features).all()
    restored: Any = made.restore(emulator.weights, SIMULATOR.prior)
    np.testing.assert_array_equal(restored.features(ROWS.x[:5], THETA[0]), features)
    alone = emulator.features(ROWS.x[3:4], THETA[0])
    np.testing.assert_allclose(alone[0], features[3], rtol=1e-4, atol=1e-5)


def test_several_channels_are_drawn_together() -> None:
    x = np.concatenate([ROWS.x, -ROWS.x], 1)
    emulator = fit(with_fields(x))
    assert emulator.draw(THETA, RNG(0)).shape == (2, 2, 16, 16)
    assert emulator.draw(THETA[:0], RNG(0)).shape == (0, 2, 16, 16)


@pytest.mark.parametrize("architecture", [{}, COSMOGAN])
def test_fields_need_not_wrap_around(architecture: dict[str, Any]) -> None:
    emulator = fit(with_fields(ROWS.x, periodic=False), **architecture)
    assert not emulator.data.geometry.periodic


def test_fields_that_do_not_wrap_around_are_not_shifted() -> None:
    y = torch.arange(64.0).view(1, 1, 8, 8)
    made: Gan = quick("emulate", "gan")
    moved = {True: set[float](), False: set[float]()}
    for periodic, corners in moved.items():
        data = replace(TRAIN.data, geometry=Geometry(pixels=(8, 8), periodic=periodic))
        corners |= {float(made._moved(data)(y)[0, 0, 0, 0]) for _ in range(100)}
    assert moved[False] == {0.0, 7.0, 56.0, 63.0}
    assert len(moved[True]) > 20


def test_each_architecture_learns_in_its_own_way_unless_told() -> None:
    made: Gan = quick("emulate", "gan", **COSMOGAN, optimisation={"steps": 7})
    assert made.play == replace(OWN["cosmogan"], steps=7)
    assert (made.share_flipped, made.play.learning_rate, made.play.beta1) == (0.01, 2e-4, 0.5)
    plain: Gan = quick("emulate", "gan", optimisation={})
    assert (plain.share_flipped, plain.play) == (0.0, OWN["periodic"])


@pytest.mark.parametrize(
    ("architecture", "own", "other"), [({}, "silu", "relu"), (COSMOGAN, "relu", "silu")]
)
def test_the_activation_is_that_of_the_architecture_unless_told(
    architecture: dict[str, Any], own: str, other: str
) -> None:
    first, same, changed = (
        fit(**architecture, **changes).draw(THETA, RNG(0))
        for changes in ({}, {"activation": own}, {"activation": other})
    )
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, changed, rtol=1e-3)


@pytest.mark.parametrize(
    ("rows", "changes", "line"),
    [
        ((TRAIN, VALID), {"condition": ("h0",)},
         r"config\.condition: given h0; allowed: all, none, or a list of omega_m, sigma_8"),
        (with_fields(ROWS.x[..., :15]), {}, r"of: given .* sides \(16, 15\); allowed: multiples"),
        (with_fields(ROWS.x[:, :, :8, :8]), COSMOGAN,
         r"of: given .* sides \(8, 8\); allowed: multiples of 16"),
        (with_fields(ROWS.x[..., 0]), {}, "given fields of 1 dimensions; allowed for kind gan: 2"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line(rows: Any, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        fit(rows, **changes)
    assert len(error.value.problems) == 1


def test_pixels_of_cosmogan_are_those_of_its_tanh() -> None:
    with pytest.raises(InputError, match="pixels: given gaussian; allowed with architecture"):
        quick("emulate", "gan", **COSMOGAN, pixels="gaussian")


def test_a_game_that_diverges_names_its_step() -> None:
    wild = {"learning_rate": 1e30, "steps": 6, "score_every": 6}
    with pytest.raises(InputError, match=r"config\.optimisation: .* is \w+ at step \d; allowed"):
        fit(optimisation=wild)


def test_where_many_pixels_have_the_least_value_so_do_drawn_ones() -> None:
    x = np.maximum(ROWS.x, 0)
    emulator = fit(with_fields(x))
    drawn = emulator.draw(THETA, RNG(0))
    assert drawn.min() == pytest.approx(0, abs=1e-4)
    assert (drawn < 1e-4).mean() > 0.05
