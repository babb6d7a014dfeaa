"""An estimated prior is a prior, and that of the parameters it was estimated from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from sbipipe.interfaces import Array
from sbipipe.priors.as_drawn import AsDrawn
from sbipipe.priors.prior import DrawnPrior, uniform_prior
from sbipipe.records import InputError, parse
from sbipipe.sampling.condition import condition
from sbipipe.simulators.arrays import Arrays

WITHIN = uniform_prior(a=(0.0, 1.0), b=(-1.0, 1.0))


def independent(n: int, rng: np.random.Generator) -> Array:
    return WITHIN.sample(n, rng)


def beta(n: int, rng: np.random.Generator) -> Array:
    return np.column_stack([rng.beta(8, 8, n), 2 * rng.beta(2, 5, n) - 1])


def correlated(n: int, rng: np.random.Generator) -> Array:
    normal = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], n)
    return WITHIN.from_unbounded(normal)


def curved(n: int, rng: np.random.Generator) -> Array:
    a = rng.random(n)
    return np.column_stack([a, np.tanh(2 * (a - 0.5) ** 2 + 0.1 * rng.standard_normal(n))])


DESIGNS = {
    "independent": independent,
    "beta": beta,
    "correlated": correlated,
    "curved": curved,
}


@pytest.fixture(scope="module", params=DESIGNS)
def case(request: pytest.FixtureRequest) -> tuple[str, DrawnPrior, Array]:
    """A prior, and other parameters from where those came from that it was estimated from."""
    draw = DESIGNS[request.param]
    rng = np.random.default_rng(0)
    prior = AsDrawn(kind="as_drawn", within=WITHIN).fit(draw(4000, rng), draw(600, rng), 1)
    return request.param, prior, draw(2000, rng)


def test_it_is_as_dense_as_the_truth(case: tuple[str, DrawnPrior, Array]) -> None:
    """The mean log ratio is a divergence, here below 0.02 nats."""
    name, prior, theta = case
    u = WITHIN.to_unbounded(theta)
    normal = stats.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]])
    b = np.arctanh(np.clip(theta[:, 1], -1 + 1e-9, 1 - 1e-9))
    true = {
        "independent": np.full(2000, -np.log(2)),
        "beta": stats.beta(8, 8).logpdf(theta[:, 0])
        + stats.beta(2, 5).logpdf((theta[:, 1] + 1) / 2)
        - np.log(2),
        "correlated": normal.logpdf(u) + WITHIN.log_det_unbounded(theta),
        "curved": stats.norm(2 * (theta[:, 0] - 0.5) ** 2, 0.1).logpdf(b)
        - np.log(1 - theta[:, 1] ** 2),
    }[name]
    most = 0.25 if name == "curved" else 0.02
    assert (true - prior.log_prob(theta)).mean() < most


def test_a_simple_design_has_one_component(case: tuple[str, DrawnPrior, Array]) -> None:
    name, prior, _ = case
    assert (len(prior.mixture.weights) == 1) == (name != "curved")


def test_its_unbounded_space_is_a_standard_normal(case: tuple[str, DrawnPrior, Array]) -> None:
    _, prior, theta = case
    u = prior.to_unbounded(theta)
    np.testing.assert_allclose(u.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(np.cov(u.T), np.eye(2), atol=0.15)


def test_its_maps_are_inverse(case: tuple[str, DrawnPrior, Array]) -> None:
    _, prior, theta = case
    np.testing.assert_allclose(prior.from_unbounded(prior.to_unbounded(theta)), theta, atol=1e-9)
    np.testing.assert_allclose(prior.from_unit(prior.to_unit(theta)), theta, atol=1e-9)


def test_its_jacobian_is_the_derivative(case: tuple[str, DrawnPrior, Array]) -> None:
    _, prior, theta = case
    theta, step = theta[:50], 1e-6
    jacobian = np.stack(
        [
            (prior.to_unbounded(theta + s) - prior.to_unbounded(theta - s)) / (2 * step)
            for s in step * np.eye(2)
        ],
        -1,
    )
    expected = np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(prior.log_det_unbounded(theta), expected, atol=1e-2)


def test_its_samples_have_the_moments_of_theta(case: tuple[str, DrawnPrior, Array]) -> None:
    _, prior, theta = case
    drawn = prior.sample(4000, np.random.default_rng(3))
    assert prior.inside(drawn).all()
    np.testing.assert_allclose(drawn.mean(0), theta.mean(0), atol=0.04)
    np.testing.assert_allclose(drawn.std(0), theta.std(0), rtol=0.08)
    np.testing.assert_allclose(prior.variance, theta.var(0), rtol=0.1)


def test_data_that_say_nothing_leave_the_prior(case: tuple[str, DrawnPrior, Array]) -> None:
    """Whatever samples an unnormalised density takes the prior to be flat in its unit cube."""
    _, prior, theta = case
    given = condition(lambda theta, x: np.zeros(theta.shape[:2]), prior, np.zeros((1, 1)))
    found = given.log_prob(theta[:200, None])[:, 0]
    np.testing.assert_allclose(found, prior.log_prob(theta[:200]), atol=1e-3)
    drawn = given.sample(3000, np.random.default_rng(1)).draws[:, 0]
    for q in prior.to_unit(drawn).T:
        assert stats.kstest(q, "uniform").pvalue > 0.001


def test_outside_there_is_nothing(case: tuple[str, DrawnPrior, Array]) -> None:
    _, prior, _ = case
    outside = np.array([[0.5, 1.5], [-0.1, 0.0]])
    assert not prior.inside(outside).any()
    assert np.isneginf(prior.log_prob(outside)).all()


def test_it_comes_back_from_plain_values(case: tuple[str, DrawnPrior, Array]) -> None:
    _, prior, theta = case
    declared = AsDrawn(kind="as_drawn")
    again = declared.read(json.loads(json.dumps(declared.written(prior))))
    assert again.names == prior.names
    np.testing.assert_array_equal(again.log_prob(theta), prior.log_prob(theta))
    np.testing.assert_array_equal(again.variance, prior.variance)


def test_the_points_of_a_grid_become_no_spikes() -> None:
    """The density is that of the prior which the grid covers, within ten percent on average."""
    axis = (np.arange(20) + 0.5) / 20
    grid = np.stack(np.meshgrid(axis, 2 * axis - 1), -1).reshape(-1, 2)
    theta = np.random.default_rng(0).permutation(grid.repeat(5, 0))
    prior = AsDrawn(kind="as_drawn", within=WITHIN).fit(theta[:1500], theta[1500:], 1)
    density = prior.log_prob(WITHIN.sample(1000, np.random.default_rng(1)))
    np.testing.assert_allclose(density.mean(), -np.log(2), atol=0.1)
    assert density.max() < 0.0


def test_nothing_need_be_declared() -> None:
    rng = np.random.default_rng(0)
    theta = rng.multivariate_normal([100.0, 0.0], [[4.0, 0.03], [0.03, 0.0004]], 2000)
    prior = AsDrawn(kind="as_drawn").fit(theta[:1800], theta[1800:], 1)
    assert prior.names == ("theta_0", "theta_1")
    drawn = prior.sample(4000, rng)
    np.testing.assert_allclose(np.corrcoef(drawn.T)[0, 1], 0.75, atol=0.05)


def test_a_reader_may_declare_it() -> None:
    prior = {"kind": "as_drawn", "within": {"a": {"kind": "uniform", "low": 0.0, "high": 1.0}}}
    for given in (prior, {"kind": "as_drawn"}):
        made = parse(Arrays, {"path": "mine.npz", "prior": given}, "simulate.mine.config")
        assert isinstance(made.prior, AsDrawn)


@pytest.mark.parametrize(
    ("prior", "line"),
    [
        ({"kind": "drawn"}, r"prior\.kind: given \"drawn\"; input should be 'as_drawn'"),
        ({"kind": "as_drawn", "low": 1.0}, r"prior\.low: unknown key"),
        ({"kind": "as_drawn", "within": {"a": {"kind": "nope"}}}, r"prior\.within\.a: "),
    ],
)
def test_wrong_declarations_are_named(prior: object, line: str) -> None:
    with pytest.raises(InputError, match=rf"^simulate\.mine\.config\.{line}"):
        parse(Arrays, {"path": "mine.npz", "prior": prior}, "simulate.mine.config")
