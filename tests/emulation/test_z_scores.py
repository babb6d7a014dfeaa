"""z of means that are equal, and of those of an emulator."""

from __future__ import annotations

import numpy as np
import pytest

from lognormal_truth import fields
from sbipipe.emulation.spectra import rms_z
from sbipipe.emulation.z_scores import z_scores


def test_z_is_standard_for_equal_means() -> None:
    rng = np.random.default_rng(0)
    z = z_scores(rng.standard_normal((50, 20_000)), 3 * rng.standard_normal((60, 20_000)))
    assert z.std() == pytest.approx(1, abs=0.03)
    assert (z_scores(np.ones((3, 4)), np.ones((5, 4))) == 0).all()


def test_too_much_and_too_little_power_are_far_from_the_truth() -> None:
    true = fields(15, "true")
    right = rms_z(fields(50, "generated"), true)
    assert right < 1.3
    for factor in (0.9, 1.1):
        assert rms_z(fields(50, "generated", factor), true) > 1.6 * right


def test_the_unit_of_the_fields_does_not_matter() -> None:
    true, generated = fields(6, "true"), fields(6, "generated")
    assert rms_z(1e3 * generated, 1e3 * true) == pytest.approx(rms_z(generated, true))


def test_no_checkpoint_that_gives_nan_is_chosen() -> None:
    true = fields(6, "true")
    broken = true.copy()
    broken[2, 3, 0, 1, 1] = np.nan
    assert rms_z(broken, true) == np.inf


def test_fields_for_other_theta_are_refused() -> None:
    true = fields(6, "true")
    with pytest.raises(ValueError, match="generated: given 3 theta; allowed: 10"):
        rms_z(true[:3], true)
