"""What every diagnostic that exists must do."""

import numpy as np
import pytest

from closed_form import fail, gaussian
from contracts import kinds, quick
from sbipipe.records import InputError

KINDS = kinds("diagnose")


def run(kind, draws, seed=0):
    return quick("diagnose", kind)(draws, np.random.default_rng([seed, 3]))


def test_the_mandatory_ones_exist():
    assert {"sbc", "coverage", "tarp", "regions"} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimension", [1, 3])
def test_results_are_whole(kind, dimension):
    found = run(kind, gaussian(100, 1, dimension=dimension))
    assert len({result.test for result in found}) == len(found) > 0
    for result in found:
        curve = result.curve
        lines = [curve.x, curve.y, curve.ideal, curve.lower, curve.upper]
        assert len({len(line) for line in lines}) == 1
        assert np.isfinite(lines).all()
        assert 0 <= result.p_value <= 1
        assert result.why
        assert curve.x_label
        assert all(np.isfinite(value) for value in result.numbers.values())
        assert (np.array(curve.lower) <= np.array(curve.ideal) + 1e-12).all()
        assert (np.array(curve.ideal) <= np.array(curve.upper) + 1e-12).all()


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_results(kind):
    draws = gaussian(60, 2)
    assert run(kind, draws) == run(kind, draws)


@pytest.mark.parametrize("kind", KINDS)
def test_diagnostics_leave_the_draws_alone(kind):
    draws = gaussian(60, 3)
    before = draws.draws.copy(), draws.log_prob_truth.copy()
    run(kind, draws)
    np.testing.assert_array_equal(before[0], draws.draws)
    np.testing.assert_array_equal(before[1], draws.log_prob_truth)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_wrong_width_is_found(kind, scale):
    found = run(kind, gaussian(1000, 4, scale=scale, n=100))
    assert min(result.p_value for result in found) < 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [slice(0, 30), slice(0, 100)])
def test_failed_observations_never_vanish(kind, rows):
    """Neither a third nor all of them; and a third is enough to be found."""
    for result in run(kind, fail(gaussian(100, 5), rows)):
        assert result.numbers["failed"] == rows.stop
        assert result.p_value < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_settings_name_their_key(kind):
    with pytest.raises(InputError, match=r"diagnose\.it\.config\.level: given 2"):
        quick("diagnose", kind, level=2)
