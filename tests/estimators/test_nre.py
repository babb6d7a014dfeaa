import numpy as np
import pytest

from linear_problem import OPTIMISATION, SIMULATOR, SMALL, TEST, check_draws, fit, kl_from_exact
from rows import rows_of
from sbipipe.estimators.nre import Nre
from sbipipe.interfaces import Run
from sbipipe.records import InputError, parse


def test_learns_the_exact_posterior():
    posterior = fit(parse(Nre, {**SMALL, "classifier": "resnet"}, "nre")).at(TEST.x)
    assert kl_from_exact(posterior, TEST.x) < 0.05
    check_draws(posterior, TEST.x, tolerance=0.15)


def test_members_of_an_ensemble_count_equally_whatever_their_constants():
    """Adding a constant to one member's output changes no posterior."""
    short = OPTIMISATION | {"steps": 40}
    estimator = parse(
        Nre, {"classifier": "resnet", "hidden": 8, "ensemble": 2, "optimisation": short}, "nre"
    )
    posterior = fit(estimator)
    arrays = dict(posterior.weights.arrays)
    arrays["member1/net.net.final_layer.bias"] = arrays["member1/net.net.final_layer.bias"] + 3
    weights = type(posterior.weights)(arrays=arrays, meta=posterior.weights.meta)
    shifted = estimator.restore(weights, SIMULATOR.prior)
    theta = TEST.theta[None]
    np.testing.assert_allclose(
        shifted.at(TEST.x).log_prob(theta), posterior.at(TEST.x).log_prob(theta), atol=1e-3
    )


def test_fields_are_an_error():
    data = rows_of(theta=TEST.theta[:5], x=np.zeros((5, 1, 8, 8)), group=np.arange(5))
    with pytest.raises(InputError, match=r"given fields with shape \(1, 8, 8\)"):
        Nre().fit(data, data, SIMULATOR.prior, Run(seed=0))
