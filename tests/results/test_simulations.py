"""What is shown of sets of any shape."""

from __future__ import annotations

import numpy as np
import pytest

from rows import rows_of
from sbipipe.interfaces import Dataset
from sbipipe.priors.prior import uniform_prior
from sbipipe.results import simulations
from sbipipe.results.run import Results


def test_example_fields_lie_nearest_to_a_grid_over_the_prior(run_results: Results) -> None:
    examples = run_results.suites[0].example_fields
    assert examples is not None
    assert examples.fields.shape == (3, 3, 32, 32)
    assert (np.diff(examples.theta[..., 0], axis=1) > 0).all()
    assert (np.diff(examples.theta[..., 1], axis=0) < 0).all()


def test_spectra_start_at_the_fundamental_wavenumber(run_results: Results) -> None:
    spectra = run_results.suites[0].spectra
    assert spectra is not None
    # The first bin reaches to 1.5 fundamentals: four modes at 1 and four at the square root of 2.
    assert spectra.k[0] == pytest.approx(2 * np.pi / 25 * (1 + np.sqrt(2)) / 2)
    assert (spectra.k_unit, spectra.power_unit) == ("h/Mpc", "(Mpc/h)^2")
    assert len(spectra.power) == len(spectra.theta) == 100


PRIOR = uniform_prior(a=(0.0, 1.0))


def _rows(shape: tuple[int, ...]) -> Dataset:
    rng = np.random.default_rng(0)
    return rows_of(rng.random((6, 1)), rng.standard_normal((6, *shape)))


def test_without_a_box_wavenumbers_count_cycles() -> None:
    spectra = simulations._spectra("mine", _rows((1, 16, 16)), PRIOR)
    assert spectra is not None
    assert spectra.k_unit == "cycles per side"
    assert 1 <= spectra.k[0] < 1.5
    assert spectra.k[-1] < 9


def test_oblong_maps_have_no_isotropic_spectrum() -> None:
    assert simulations._spectra("mine", _rows((1, 16, 8)), PRIOR) is None


@pytest.mark.parametrize(
    ("shape", "image", "words"),
    [
        ((1, 8), (8,), ""),
        ((1, 8, 8), (8, 8), ""),
        ((2, 8, 8), (8, 8), "the first of 2 channels"),
        ((1, 8, 8, 8), (8, 8), "the mean along one axis of the box"),
    ],
)
def test_fields_of_any_dimension_become_images(
    shape: tuple[int, ...], image: tuple[int, ...], words: str
) -> None:
    examples = simulations._example_fields("mine", _rows(shape), PRIOR)
    assert examples.fields.shape == (1, 3, *image)
    assert examples.shown == words


def test_components_are_those_of_sets_of_vectors(run_results: Results) -> None:
    (components,) = run_results.components
    assert (components.set, components.names, components.total) == ("vectors", ("s0", "s1"), 2)
    assert components.x.shape == components.theta.shape == (100, 2)


def test_what_trivial_features_know_is_a_share_of_every_parameter(run_results: Results) -> None:
    known = run_results.suites[0].trivial
    assert known.parameters == ("omega_m", "sigma_8")
    for share in (known.number, known.moments):
        assert share.shape == (2,)
        assert ((share >= 0) & (share <= 1)).all()
