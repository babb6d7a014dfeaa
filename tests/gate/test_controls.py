"""The controls are wrong by exactly what they say."""

from dataclasses import replace

import numpy as np
import pytest

from closed_form import CONTROLS, fail, gaussian
from sbipipe.config import Draw
from sbipipe.gate.controls import control_draws, controls
from sbipipe.records import InputError

BY_NAME = {control.name: control for control in CONTROLS}


@pytest.mark.parametrize(
    ("name", "width", "shift"),
    [("narrowed", 0.7, 0.0), ("widened", 1.3, 0.0), ("shifted", 1.0, 0.5)],
)
def test_mean_and_width_change_as_stated(name, width, shift):
    draws = gaussian(30, 1).draws
    changed = BY_NAME[name].apply(draws)
    np.testing.assert_allclose(changed.std(0), width * draws.std(0))
    np.testing.assert_allclose(changed.mean(0), draws.mean(0) + shift * draws.std(0), atol=1e-12)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_the_preimage_of_a_mapped_draw_is_the_draw(control):
    draws = gaussian(30, 2).draws
    back = control.preimage(control.apply(draws)[7], draws)
    np.testing.assert_allclose(back, draws[7])


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_the_density_at_the_truth_is_the_changed_gaussians_up_to_its_norm(control):
    draws = gaussian(40, 3, n=50_000)
    mean, width = draws.draws.mean(0), draws.draws.std(0)
    z = (draws.theta - mean - control.shift * width) / (control.scale * width)
    expected = -0.5 * (z**2).sum(-1) - np.log(2 * np.pi) + np.log(2)
    found = control_draws(draws, control).log_prob_truth
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.05)


def test_they_are_as_strong_as_they_are_asked_to_be():
    narrowed, widened, shifted = controls(Draw(narrowed=0.5, widened=1.25, shifted=2.0))
    draws = gaussian(30, 6).draws
    width = draws.std(0)
    np.testing.assert_allclose(narrowed.apply(draws).std(0), 0.5 * width)
    np.testing.assert_allclose(widened.apply(draws).std(0), 1.25 * width)
    np.testing.assert_allclose(shifted.apply(draws).mean(0), draws.mean(0) + 2 * width)
    assert [one.name for one in (narrowed, widened, shifted)] == ["narrowed", "widened", "shifted"]
    assert narrowed.words == "narrowed to 0.5 of their width"
    assert shifted.words == "shifted by 2 of their width"


def test_failed_observations_stay_failed():
    draws = fail(gaussian(30, 4), slice(3, 6))
    assert control_draws(draws, CONTROLS[0]).failed[3:6].all()


def test_a_density_that_was_not_stored_is_an_error():
    draws = replace(gaussian(10, 5), log_prob_controls={})
    with pytest.raises(InputError, match="narrowed is missing; stored: none"):
        control_draws(draws, CONTROLS[0])
