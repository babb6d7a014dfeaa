"""Independent observations of one theta have the posterior of the product of their likelihoods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import sbipipe
from linear_problem import OPTIMISATION
from sbipipe.interfaces import Array, Generator
from sbipipe.records import InputError
from sbipipe.simulators.linear_gaussian import LinearGaussian
from sbipipe.studies.study import Study

SIZE = 10


def exact(simulator: LinearGaussian, sets: Array) -> tuple[Array, Array]:
    """Mean (B, D) and covariance (D, D) given sets (B, k, L): each datum is one more row of A."""
    A, noise = simulator.design, simulator.noise
    precision = sets.shape[1] * A.T @ A / noise**2
    covariance = np.linalg.inv(precision + np.eye(simulator.dimension) / simulator.prior_scale**2)
    return sets.sum(1) @ A @ covariance / noise**2, covariance


def sets_of(simulator: LinearGaussian, n: int, seed: int) -> tuple[Array, Array]:
    """theta (n, D) and sets of observations of each (n, SIZE, L)."""
    rng = np.random.default_rng(seed)
    theta = simulator.prior.sample(n, rng)
    x = simulator.simulate(np.repeat(theta, SIZE, 0), rng)
    return theta, x.reshape(n, SIZE, -1)


@pytest.fixture(scope="module")
def run(linear_folder: Path) -> Study:
    found: Study = sbipipe.open(linear_folder)
    return found


def test_the_exact_likelihood_gives_the_exact_posterior(run: Study) -> None:
    simulator = LinearGaussian()
    study = sbipipe.combine(run, SIZE, estimators=["exact"], tests=300, draw={"draws": 200},
                            gate={"width_error": 0.3})  # fmt: skip
    assert study.verdicts["exact"].verdict == "calibrated", study.verdicts["exact"].reasons
    assert study.verdicts["exact"].n_test == 300
    _, sets = sets_of(simulator, 5, seed=1)
    mean, covariance = exact(simulator, sets.astype(np.float32))
    posterior = study.posterior("exact").at(sets)
    points = mean + np.random.default_rng(0).standard_normal((50, 5, 2)) * 0.1
    expected = stats.multivariate_normal(cov=covariance).logpdf(points - mean)
    np.testing.assert_allclose(posterior.log_prob(points), expected, atol=0.05)
    one = study.posterior("exact").at(sets[0]).sample(100)
    assert one.draws.shape == (100, 2)
    assert one.file.attributes["observations_in_a_set"] == SIZE
    assert one.outside in (True, False)


def test_a_learned_likelihood_and_a_learned_density_are_combined() -> None:
    """NLE's and NPE's posteriors of 10 observations lie near the exact one, and the gate says
    whether they may be used."""
    simulator = LinearGaussian(dimension=1, observations=1, noise=0.8)
    rng = np.random.default_rng(0)
    theta = simulator.prior.sample(2000, rng)
    small = {"density": "mdn", "hidden": 16, "ensemble": 1, "optimisation": OPTIMISATION}
    entries = {kind: {"kind": kind, "config": small} for kind in ("nle", "npe")}
    one = sbipipe.fit(
        theta, simulator.simulate(theta, rng), simulator.prior, entries, draw={"draws": 50}
    )
    study = sbipipe.combine(one, SIZE, simulator.simulate, tests=100, draw={"draws": 100})
    _, sets = sets_of(simulator, 20, seed=3)
    mean, covariance = exact(simulator, sets)
    for name in entries:
        drawn = study.posterior(name, uncalibrated=True).at(sets).sample(400)
        width = np.sqrt(covariance[0, 0])
        assert np.abs(drawn.draws.mean(0) - mean).mean() < 0.5 * width, name
        assert np.abs(drawn.draws.std(0) / width - 1).mean() < 0.2, name


def test_without_a_simulator_nothing_is_judged_and_nothing_published(run: Study) -> None:
    study = sbipipe.combine(replace(run, simulate=None), SIZE, estimators=["exact"])
    assert study.published == ()
    with pytest.raises(InputError, match="the verdict is untested"):
        study.posterior("exact")
    _, sets = sets_of(LinearGaussian(), 1, seed=2)
    drawn = study.posterior("exact", uncalibrated=True).at(sets[0]).sample(30)
    assert drawn.file.attributes["verdict"] == "untested"


def test_maps_of_one_box_are_refused(run: Study) -> None:
    def two_maps(theta: Array, rng: Generator) -> Array:
        return np.repeat(LinearGaussian().simulate(theta, rng), 2, 0)

    with pytest.raises(InputError, match="several of one simulation are not independent"):
        sbipipe.combine(run, SIZE, two_maps, estimators=["exact"], tests=5)
    with pytest.raises(InputError) as error:
        sbipipe.combine(run, 1, estimators=["nope"])
    assert error.value.problems == (
        "estimators: given 'nope'; allowed: exact, again",
        "size: given 1; allowed: 2 or more",
    )
