import numpy as np
import pytest

from linear_problem import OPTIMISATION, SIMULATOR, SMALL, TEST, check_draws, fit, kl_from_exact
from rows import rows_of
from sbipipe.estimators.nle import Nle
from sbipipe.interfaces import Run
from sbipipe.records import InputError, parse

SHAPE = {"density": "zuko_maf", "hidden": 8}


def test_learns_the_exact_posterior():
    posterior = fit(parse(Nle, {**SMALL, "density": "zuko_maf"}, "nle")).at(TEST.x)
    assert kl_from_exact(posterior, TEST.x) < 0.05
    check_draws(posterior, TEST.x, tolerance=0.15)


def test_an_ensemble_is_the_mixture_of_its_members():
    short = OPTIMISATION | {"steps": 40}
    estimator = parse(Nle, SHAPE | {"ensemble": 2, "optimisation": short}, "nle")
    posterior = fit(estimator)
    weights = posterior.weights.arrays["weights"]
    assert weights.sum() == pytest.approx(1)
    theta, x = TEST.theta[None], TEST.x
    single = parse(Nle, SHAPE | {"ensemble": 1, "optimisation": short}, "nle")
    values = []
    for k in range(2):
        own = {
            name.replace(f"member{k}/", "member0/"): value
            for name, value in posterior.weights.arrays.items()
            if name.startswith(f"member{k}/")
        }
        meta = posterior.weights.meta
        meta = meta | {"config": meta["config"] | {"ensemble": 1}, "members": meta["members"][:1]}
        member = single.restore(
            type(posterior.weights)(arrays=own | {"weights": np.ones(1)}, meta=meta),
            SIMULATOR.prior,
        )
        values.append(member.log_ratio(theta, x))
    expected = np.log(np.einsum("k,knb->nb", weights, np.exp(np.stack(values))))
    np.testing.assert_allclose(posterior.log_ratio(theta, x), expected, atol=1e-8)


def test_a_component_that_never_varies_is_an_error():
    x = np.random.default_rng(0).normal(size=(20, 3))
    x[:, 1] = 4.0
    data = rows_of(theta=TEST.theta[:20], x=x, group=np.arange(20))
    with pytest.raises(InputError, match="components 1 are the same in all 20"):
        Nle().fit(data, data, SIMULATOR.prior, Run(seed=0))


def test_fields_are_an_error():
    data = rows_of(theta=TEST.theta[:5], x=np.zeros((5, 1, 8, 8)), group=np.arange(5))
    with pytest.raises(InputError, match=r"given fields with shape \(1, 8, 8\)"):
        Nle().fit(data, data, SIMULATOR.prior, Run(seed=0))
