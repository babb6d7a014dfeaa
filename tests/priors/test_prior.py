import numpy as np
import pytest
from scipy import integrate, stats

from sbipipe.priors.flat import Flat
from sbipipe.priors.prior import LogUniform, Normal, ProductPrior, Uniform, uniform_prior
from sbipipe.records import InputError, parse

PRIOR = ProductPrior(
    {
        "omega_m": Uniform(kind="uniform", low=0.1, high=0.5),
        "sigma_8": Normal(kind="normal", loc=0.8, scale=0.1),
        "a_sn1": LogUniform(kind="log_uniform", low=0.25, high=4.0),
    }
)


@pytest.fixture
def theta() -> np.ndarray:
    return PRIOR.sample(4000, np.random.default_rng(0))


def test_samples_follow_the_marginals(theta: np.ndarray) -> None:
    for column, (low, size) in zip(theta.T[[0, 2]], [(0.1, 0.4), (None, None)], strict=True):
        law = stats.uniform(low, size) if low else stats.loguniform(0.25, 4)
        assert stats.kstest(column, law.cdf).pvalue > 0.001
    assert stats.kstest(theta[:, 1], stats.norm(0.8, 0.1).cdf).pvalue > 0.001


def test_unbounded_space_is_a_standard_normal(theta: np.ndarray) -> None:
    u = PRIOR.to_unbounded(theta)
    for column in u.T:
        assert stats.kstest(column, stats.norm.cdf).pvalue > 0.001


def test_maps_are_inverse(theta: np.ndarray) -> None:
    np.testing.assert_allclose(PRIOR.from_unbounded(PRIOR.to_unbounded(theta)), theta, rtol=1e-9)
    np.testing.assert_allclose(PRIOR.from_unit(PRIOR.to_unit(theta)), theta, rtol=1e-9)


def test_jacobian_is_the_derivative(theta: np.ndarray) -> None:
    step = 1e-6
    expected = sum(
        np.log(np.diff(PRIOR.to_unbounded(theta[:50, None] + _shift(i, step)), axis=1)[:, 0, i])
        - np.log(2 * step)
        for i in range(3)
    )
    np.testing.assert_allclose(PRIOR.log_det_unbounded(theta[:50]), expected, atol=1e-4)


def _shift(i: int, step: float) -> np.ndarray:
    return np.array([[-step], [step]]) * np.eye(3)[i]


def test_density_integrates_to_one() -> None:
    prior = uniform_prior(a=(0.0, 2.0), b=(-1.0, 1.0))
    total, _ = integrate.dblquad(lambda b, a: np.exp(prior.log_prob(np.array([a, b]))), 0, 2, -1, 1)
    assert total == pytest.approx(1)


def test_support() -> None:
    outside = np.array([[0.05, 0.8, 1.0], [0.3, 0.8, 5.0]])
    assert not PRIOR.inside(outside).any()
    assert np.isneginf(PRIOR.log_prob(outside)).all()


def test_bounds_and_variance() -> None:
    assert PRIOR.bounds[0] == (0.1, 0.5)
    np.testing.assert_allclose(PRIOR.variance[:2], [0.4**2 / 12, 0.01])


def test_bad_bounds_are_named() -> None:
    with pytest.raises(InputError, match=r"p\.: .*low 2 must be below high 1|p: .*low 2 must"):
        parse(Uniform, {"kind": "uniform", "low": 2, "high": 1}, "p")


@pytest.mark.parametrize("width", [0.4, 3e-5, 0.0, -1.0])
def test_a_flat_distribution_is_that_of_scipy_to_the_bit(width: float) -> None:
    flat, law = Flat(0.1, width), stats.uniform(0.1, width)
    random = np.random.default_rng(0).uniform(-1, 2, 1000)
    places = np.concatenate([0.1 + width * random, [0.1, 0.1 + width, np.nan, np.inf, -np.inf]])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(flat.logpdf(places), law.logpdf(places))
        np.testing.assert_array_equal(flat.cdf(places), law.cdf(places))
    quantiles = np.concatenate([random, [0.0, 1.0, np.nan]])
    np.testing.assert_array_equal(flat.ppf(quantiles), law.ppf(quantiles))
    if width > 0:
        assert (flat.support(), flat.var()) == (law.support(), law.var())
