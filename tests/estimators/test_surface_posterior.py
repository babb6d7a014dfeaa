"""The posterior of polynomials whose evidence is known."""

from __future__ import annotations

import numpy as np
import pytest

from sbipipe.estimators.surface import Surface
from sbipipe.interfaces import Dataset, Run, Vectors
from sbipipe.learning.chebyshev import Basis, surface_data
from sbipipe.priors.prior import uniform_prior
from sbipipe.records import InputError

PRIOR = uniform_prior(a=(0.0, 4.0), b=(-1.0, 1.0))


def surfaces(coefficients: np.ndarray, degree: int) -> Dataset:
    count = len(coefficients)
    return Dataset(
        data=surface_data(2, degree),
        theta=np.zeros((count, 2)),
        x=coefficients,
        group=np.arange(count),
    )


def test_a_linear_surface_is_an_exponential_in_each_parameter() -> None:
    """exp(k_1 s_1 + k_2 s_2) on [-1, 1]^2 has the evidence prod sinh(k) / k."""
    basis = Basis(2, 2)
    k = np.array([[3.0, -2.0], [0.5, 6.0]])
    coefficients = np.zeros((2, len(basis)))
    for axis, powers in enumerate([(1, 0), (0, 1)]):
        coefficients[:, basis.exponents.index(powers)] = k[:, axis]
    rows = surfaces(coefficients, 2)
    posterior, _ = Surface().fit(rows.rows(slice(0)), rows.rows(slice(0)), PRIOR, Run(seed=0))
    theta = PRIOR.sample(50, np.random.default_rng(0))[:, None].repeat(2, 1)
    s = np.stack([theta[..., 0] / 2 - 1, theta[..., 1]], -1)
    expected = (s * k).sum(-1) - np.log(np.sinh(k) / k).sum(-1) + PRIOR.log_prob(theta)
    np.testing.assert_allclose(posterior.at(rows.x).log_prob(theta), expected, atol=0.05)


def test_a_row_that_was_refused_fails_alone() -> None:
    coefficients = np.zeros((3, len(Basis(2, 2))))
    coefficients[1] = np.nan
    rows = surfaces(coefficients, 2)
    posterior, _ = Surface().fit(rows, rows, PRIOR, Run(seed=0))
    samples = posterior.at(rows.x).sample(30, np.random.default_rng(0))
    assert (samples.effective_sample_size == 0).tolist() == [False, True, False]


def test_other_vectors_are_an_error() -> None:
    rows = surfaces(np.zeros((3, 6)), 2)
    vectors = Vectors(components=tuple("abcdef"))
    other = Dataset(data=vectors, theta=rows.theta, x=rows.x, group=rows.group)
    with pytest.raises(InputError, match="of: given rows that are no likelihood surfaces"):
        Surface().fit(other, other, PRIOR, Run(seed=0))
