"""Responses of a simulator that are known."""

from __future__ import annotations

import numpy as np
import pytest

from lognormal_truth import judged, truth
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.responses import by_seed, responses
from sbipipe.records import dump


def test_the_simulator_responds_as_it_does_itself() -> None:
    of_true = truth().response
    assert of_true is not None
    same = Drawn(data=truth().data, generated=truth().true, response=of_true.true)
    found = responses(truth(), same)
    assert found.rms_percent is not None
    assert found.rms_z is not None
    assert found.rms_percent.generated == 0
    assert found.rms_z.generated == 0
    assert found.rms_percent.control > 0
    for one in found.parameters.values():
        plain = dump(one)
        assert plain["generated"] == plain["true"]


def test_a_response_is_the_ratio_of_spectra() -> None:
    """Where sigma_8 is a factor, so is its square."""
    assert list(judged().response.parameters) == ["omega_m", "sigma_8"]
    found = judged().response.parameters["sigma_8"]
    for value, band in zip(found.values, found.true, strict=True):
        expected = (value / found.fiducial) ** 2
        np.testing.assert_allclose(band.mean, expected, rtol=1e-4)
        np.testing.assert_allclose(band.sd, 0, atol=1e-4)


def test_a_wrong_sigma_8_responds_alike() -> None:
    """A factor of the power drops out of its ratio."""
    right, wrong = (judged(factor).response.rms_percent for factor in (1.0, 1.1))
    assert right is not None
    assert wrong is not None
    assert wrong.generated == pytest.approx(right.generated, rel=1e-2)


def test_maps_of_one_seed_count_once() -> None:
    rows = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(by_seed(rows, 3), [[2, 3], [8, 9]])
