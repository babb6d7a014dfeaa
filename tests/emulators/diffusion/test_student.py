"""Students with few steps, of Gaussian fields above all: there the exact map is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gaussian_fields
from interruption import interrupted
from lognormal_emulator import assert_emulates
from rows import simulated
from sbipipe.emulators.diffusion import Diffusion
from sbipipe.emulators.diffusion import student as students
from sbipipe.emulators.diffusion.emulator import DiffusionEmulator
from sbipipe.emulators.diffusion.frame import Frame
from sbipipe.emulators.diffusion.linear import fit_linear
from sbipipe.interfaces import Run
from sbipipe.learning import training
from sbipipe.learning.chebyshev import Basis
from sbipipe.records import InputError, parse
from sbipipe.simulators.lognormal import Lognormal

SIMULATOR = Lognormal(pixels=8, box=60.0, output="log")
TRAIN, VALID, TEST = (simulated(SIMULATOR, n, seed) for seed, n in enumerate((400, 60, 6)))
OWN: dict[str, Any] = {
    "conditioning": "linear",
    "degree": 2,
    "network": {"width": 4},
    "optimisation": {"epochs": 2, "batch": 32},
}
"""A teacher of Gaussian fields has nothing else to learn."""


def make(**changes: Any) -> Diffusion:
    return parse(Diffusion, OWN | changes, "emulate.it.config")


def student(**asked: Any) -> Diffusion:
    return make(student={"paths": 80, "passes": 8, **asked})


def taught(kind: Diffusion, teacher: DiffusionEmulator, **run: Any) -> DiffusionEmulator:
    found = kind.go_on(teacher, TRAIN, VALID, SIMULATOR.prior, Run(seed=2, **run))[0]
    assert isinstance(found, DiffusionEmulator)
    return found


@pytest.fixture(autouse=True)
def few_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """From which the power of each step is measured."""
    monkeypatch.setattr(students, "DRAWN", 400)


@pytest.fixture(scope="module")
def teacher() -> DiffusionEmulator:
    found = make().fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=1))[0]
    assert isinstance(found, DiffusionEmulator)
    return found


def test_the_frame_makes_gaussian_fields_of_noise_at_every_level() -> None:
    """w = sqrt(v / (alpha^2 v + sigma^2)) z, for every mode of variance v."""
    s = gaussian_fields.parameters(3000, 0)
    linear = fit_linear(gaussian_fields.draw(s, 1), s, Basis(2, 4))
    own = gaussian_fields.parameters(50, 2)
    v = gaussian_fields.eigenvalues(own)
    noise = torch.from_numpy(np.random.default_rng(3).standard_normal((50, 1, *v.shape[1:])))
    for level in (float(linear.log_snr[0]), -1.3, 2.0):
        alpha2 = 1 / (1 + np.exp(-level))
        gain = torch.sqrt(v / (alpha2 * v + 1 - alpha2))
        expected = torch.fft.ifft2(gain * torch.fft.fft2(noise[:, 0])).real[:, None]
        w = Frame(linear)(noise, level, linear.basis(own))
        assert float((w - expected).square().mean() / expected.square().mean()) < 0.05**2


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_student_draws_its_teachers_fields_with_the_power_of_true_ones(
    teacher: DiffusionEmulator, steps: int
) -> None:
    """Of equal noise it draws a field like the teacher's flow, and of other noise another one."""
    kind = student(steps=steps)
    found = taught(kind, teacher)
    assert_emulates(found, TEST.theta)
    restored = kind.restore(found.weights, SIMULATOR.prior)
    flow = make(sampler={"kind": "dpm", "steps": 30}).restore(teacher.weights, SIMULATOR.prior)
    drawn, again, whole = (
        one.draw(TEST.theta, np.random.default_rng(0)) for one in (found, restored, flow)
    )
    np.testing.assert_array_equal(drawn, again)
    assert np.mean((drawn - whole) ** 2) < 0.1 * np.mean((drawn - np.roll(whole, 1, 0)) ** 2)
    np.testing.assert_array_equal(found.surfaces(TEST.x), teacher.surfaces(TEST.x))

    theta = SIMULATOR.prior.from_unit(np.full((1000, 2), 0.3))
    fields = found.draw(theta, np.random.default_rng(1))
    true = SIMULATOR.simulate(theta, np.random.default_rng(2))
    power, expected = (np.abs(np.fft.fft2(x[:, 0])[:, :4, 1:4]) ** 2 for x in (fields, true))
    np.testing.assert_allclose(power.mean((0, 1)), expected.mean((0, 1)), rtol=0.15)


def test_a_student_that_was_killed_ends_with_the_same_weights(
    teacher: DiffusionEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    expected = taught(student(), teacher).weights.arrays
    with interrupted(monkeypatch, students, "path_loss", 4):
        taught(student(), teacher, checkpoint=tmp_path)
    assert list(tmp_path.iterdir())
    found = taught(student(), teacher, checkpoint=tmp_path).weights.arrays
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coarsen": 2}, r"config.coarsen: given 2; allowed: that of the emulator it is of, 1"),
        ({"degree": 3}, r"config.degree: given 3; allowed: that of the emulator it is of, 2"),
        ({"conditioning": "film"}, r"config.conditioning: given 'film'; allowed"),
        ({"pixels": "standard"}, r"config.pixels: given 'standard'; allowed"),
    ],
)
def test_a_student_of_other_fields_is_an_error(
    teacher: DiffusionEmulator, changes: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        taught(make(student={}, **changes), teacher)


def test_a_student_without_a_teacher_or_of_a_student_is_an_error() -> None:
    with pytest.raises(InputError, match=r"config.student: given a student without a teacher"):
        student().fit(TRAIN, VALID, SIMULATOR.prior, Run(seed=0))
    assert student().obstacles(student()) == [
        "of: given a student; allowed for a student: an entry that is none"
    ]
    assert student().obstacles(object()) == [
        "of: given an emulator of another kind; allowed: kind diffusion"
    ]
    with pytest.raises(InputError, match=r"student.steps: given 3; input should be 1, 2 or 4"):
        student(steps=3)
    with pytest.raises(InputError, match=r"sampler: given dpm in 8 steps; allowed with student"):
        make(student={}, sampler={"kind": "dpm", "steps": 8})
