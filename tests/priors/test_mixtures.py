"""Densities, samples and maps of one mixture agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sbipipe.priors.mixtures import Mixture


def mixture(components: int, dimension: int) -> Mixture:
    rng = np.random.default_rng(10 * components + dimension)
    root = rng.standard_normal((components, dimension, dimension)) / 2
    return Mixture(
        weights=rng.dirichlet(np.full(components, 3.0)),
        means=2 * rng.standard_normal((components, dimension)),
        covariances=root @ root.transpose(0, 2, 1) + 0.05 * np.eye(dimension),
    )


@pytest.fixture(params=[(1, 1), (1, 3), (3, 1), (4, 2), (3, 4)])
def one(request: pytest.FixtureRequest) -> Mixture:
    return mixture(*request.param)


def drawn(one: Mixture, n: int) -> np.ndarray:
    return one.from_unit(np.random.default_rng(0).random((n, one.means.shape[1])))


def test_its_density_is_the_weighted_sum(one: Mixture) -> None:
    v = drawn(one, 200)
    parts = [
        weight * stats.multivariate_normal(mean, covariance).pdf(v)
        for weight, mean, covariance in zip(one.weights, one.means, one.covariances, strict=True)
    ]
    np.testing.assert_allclose(one.log_prob(v), np.log(sum(parts)), rtol=1e-9, atol=1e-9)


def test_its_samples_have_its_margins(one: Mixture) -> None:
    v = drawn(one, 3000)
    for j, column in enumerate(v.T):
        deviations = np.sqrt(one.covariances[:, j, j])
        law = [stats.norm(m, s) for m, s in zip(one.means[:, j], deviations, strict=True)]
        cdf = lambda x, law=law: sum(w * p.cdf(x) for w, p in zip(one.weights, law, strict=True))  # noqa: E731
        assert stats.kstest(column, cdf).pvalue > 0.001


def test_its_samples_have_its_covariance(one: Mixture) -> None:
    mean = one.weights @ one.means
    second = one.covariances + one.means[:, :, None] * one.means[:, None, :]
    expected = np.einsum("k,kij->ij", one.weights, second) - np.outer(mean, mean)
    found = np.atleast_2d(np.cov(drawn(one, 40_000).T))
    np.testing.assert_allclose(found, expected, atol=0.05 * np.trace(expected))


def test_maps_are_inverse(one: Mixture) -> None:
    q = np.random.default_rng(1).random((40, 500, one.means.shape[1]))
    np.testing.assert_allclose(one.to_unit(one.from_unit(q)), q, atol=1e-9)


def test_tails_are_finite(one: Mixture) -> None:
    edge = np.finfo(float).eps
    q = np.random.default_rng(1).choice([edge, 1e-9, 0.5, 1 - 1e-9, 1 - edge], (5000, 4))
    v = one.from_unit(q[:, : one.means.shape[1]])
    assert np.isfinite(v).all()
    np.testing.assert_allclose(one.to_unit(v), q[:, : one.means.shape[1]], atol=1e-9)


def test_the_map_to_the_cube_has_the_density_as_its_jacobian(one: Mixture) -> None:
    v, step, d = drawn(one, 20), 1e-5, one.means.shape[1]
    shifts = step * np.eye(d)
    jacobian = np.stack(
        [(one.to_unit(v + s) - one.to_unit(v - s)) / (2 * step) for s in shifts], -1
    )
    expected = np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(one.log_prob(v), expected, rtol=1e-3, atol=1e-3)
