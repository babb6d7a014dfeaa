from dataclasses import replace

import numpy as np
import pytest

from closed_form import exact_posterior
from linear_problem import (
    OPTIMISATION,
    SIMULATOR,
    SMALL,
    TEST,
    TRAIN,
    VALID,
    check_draws,
    fit,
    kl_from_exact,
    longer,
)
from rows import described, rows_of
from sbipipe.estimators.npe import Npe
from sbipipe.interfaces import Dataset, Run
from sbipipe.learning.densities import DENSITIES
from sbipipe.learning.shapes import Shape
from sbipipe.priors.prior import uniform_prior
from sbipipe.records import InputError, parse


def test_learns_the_exact_posterior():
    posterior = fit(parse(Npe, {**SMALL, "density": "zuko_nsf"}, "npe")).at(TEST.x)
    assert kl_from_exact(posterior, TEST.x) < 0.05
    check_draws(posterior, TEST.x, tolerance=0.15)


def test_a_mixture_draws_from_its_own_density():
    """The mean of exp(log p - log q) over draws of q is one if q is the density of the draws."""
    short = OPTIMISATION | {"steps": 60}
    config = {"density": "mdn", "hidden": 16, "ensemble": 3, "optimisation": short}
    estimator = parse(Npe, config, "npe")
    posterior = fit(estimator)
    conditioned = posterior.at(TEST.x[:20])
    samples = conditioned.sample(4000, np.random.default_rng(0))
    mean, covariance = exact_posterior(SIMULATOR, TEST.x[:20])
    residual = samples.draws - mean
    distance = np.einsum("nbi,ij,nbj->nb", residual, np.linalg.inv(covariance), residual)
    exact = -0.5 * distance - 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    weights = np.exp(exact - samples.log_prob)
    error = weights.std(0) / np.sqrt(len(weights))
    assert (np.abs(weights.mean(0) - 1) < 5 * error).all()
    first, second = np.split(samples.draws, 2)
    assert (np.abs(first.mean(0) - second.mean(0)) < 6 * first.std(0) / np.sqrt(1000)).all()


def test_it_proposes_its_own_draws_and_knows_their_density():
    posterior = fit(parse(Npe, {**SMALL, "density": "zuko_nsf"}, "npe"))
    x, prior = TEST.x[:20], SIMULATOR.prior
    digest, samples = posterior.digest(x), posterior.at(x).sample(100, np.random.default_rng(0))
    proposed = prior.from_unbounded(posterior.propose(100, digest, np.random.default_rng(0)))
    np.testing.assert_array_equal(proposed, samples.draws)
    ratios = posterior.log_ratios(proposed, digest)
    np.testing.assert_array_equal(*ratios)
    expected = samples.log_prob - prior.log_prob(proposed)
    np.testing.assert_allclose(ratios[0], expected, atol=1e-4)


def test_each_member_learns_features_of_long_vectors_of_its_own():
    train, valid, test = longer(TRAIN, VALID, TEST)
    config = {"effort": "quick", "ensemble": 2, "optimisation": OPTIMISATION | {"steps": 300}}
    estimator = parse(Npe, config, "npe")
    posterior, history = estimator.fit(train, valid, SIMULATOR.prior, Run(seed=0))
    assert posterior.weights.meta["features"] == 2
    assert "features 2 trial" in history.curves
    embedded = posterior.digest(test.x)
    assert embedded.shape == (len(test), 2 * 2)
    assert not np.allclose(*np.split(embedded, 2, 1), atol=0.1)
    assert kl_from_exact(posterior.at(test.x), TEST.x) < 0.1
    again = estimator.restore(posterior.weights, SIMULATOR.prior)
    theta = TEST.theta[None]
    np.testing.assert_array_equal(*(p.at(test.x).log_prob(theta) for p in (posterior, again)))


def test_half_as_wide_members_stand_beside_those_that_learn_by_heart(monkeypatch):
    monkeypatch.setattr("sbipipe.learning.portfolio.BY_HEART", -1.0)
    estimator = parse(Npe, {"ensemble": 2, "optimisation": {"steps": 20}}, "npe")
    data = (rows.rows(slice(0, 200)) for rows in (TRAIN, VALID))
    posterior, history = estimator.fit(*data, SIMULATOR.prior, Run(seed=0))
    names = posterior.weights.meta["members"]
    first, second = (Shape.named(name) for name in names[1:3])
    assert names == [first.name] * 2 + [second.name] * 2
    assert second == replace(first, hidden=first.hidden // 2)
    assert len(history.notes["weights"]) == 4
    again = estimator.restore(posterior.weights, SIMULATOR.prior)
    theta = TEST.theta[None]
    np.testing.assert_array_equal(*(p.at(TEST.x).log_prob(theta) for p in (posterior, again)))


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("dims", [1, 3])
def test_every_density_trains_draws_and_is_restored(density: str, dims: int):
    rng = np.random.default_rng(0)
    prior = uniform_prior(**{f"p{i}": (0.0, 1.0) for i in range(dims)})
    theta = prior.sample(64, rng)
    x = theta.sum(1, keepdims=True) + rng.normal(size=(64, 2))
    data = rows_of(theta=theta, x=x, group=np.arange(64))
    estimator = parse(Npe, {"density": density, "hidden": 8, "optimisation": {"steps": 1}}, "npe")
    posterior, _ = estimator.fit(data, data, prior, Run(seed=1))
    again = estimator.restore(posterior.weights, prior)
    samples = posterior.at(x[:5]).sample(20, rng)
    assert prior.inside(samples.draws).all()
    assert np.isfinite(samples.log_prob).all()
    np.testing.assert_array_equal(again.at(x[:5]).log_prob(samples.draws), samples.log_prob)


@pytest.mark.parametrize(
    ("space", "periodic"), [((16, 16), True), ((16, 16), False), ((8,) * 3, True)]
)
def test_works_straight_on_fields(space: tuple[int, ...], periodic: bool):
    """The amplitude of white noise, which its pixels determine."""
    prior = uniform_prior(amplitude=(0.5, 2.0))
    rng = np.random.default_rng(0)

    def simulate(n: int) -> Dataset:
        theta = prior.sample(n, rng)
        noise = rng.standard_normal((n, 1, *space))
        x = theta.reshape(n, *[1] * (1 + len(space))) * noise
        rows = rows_of(theta=theta, x=x.astype(np.float32))
        return replace(rows, data=described(rows.x, periodic=periodic))

    settings = {"steps": 80, "batch": 32, "learning_rate": 5e-3}
    estimator = parse(
        Npe, {"density": "mdn", "hidden": 16, "width": 4, "optimisation": settings}, "npe"
    )
    train, test = simulate(300), simulate(50)
    posterior, _ = estimator.fit(train, test, prior, Run(seed=1))
    found = posterior.at(test.x).sample(200, rng).draws.mean(0)
    assert np.corrcoef(found[:, 0], test.theta[:, 0])[0, 1] > 0.9
    assert posterior.weights.meta["periodic"] == periodic
    restored = estimator.restore(posterior.weights, prior)
    theta = test.theta[None]
    np.testing.assert_array_equal(
        restored.at(test.x).log_prob(theta), posterior.at(test.x).log_prob(theta)
    )


def test_an_unknown_density_is_an_error_that_lists_the_known():
    with pytest.raises(InputError, match=r"train.npe.config.density: given \"flow\".*zuko_nsf"):
        parse(Npe, {"density": "flow"}, "train.npe.config")
