import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from sbipipe.physics import cosmology, fields
from sbipipe.priors.fixed import completed
from sbipipe.priors.prior import Normal, ProductPrior, Uniform
from sbipipe.protocols import HasLikelihood, Simulator
from sbipipe.records import parse
from sbipipe.seeds import stream
from sbipipe.simulators.lognormal import Lognormal

TINY = {"pixels": 4, "box": 60.0}


def covariance(simulator, theta):
    """Of g between all pairs of pixels, by the sum over modes."""
    n, box = simulator.pixels, simulator.box
    shells = fields.shells(n, 2, box)
    power = simulator.power(theta[None])[0][shells.of_mode].ravel()
    i = 2 * np.pi * np.fft.fftfreq(n)
    k = np.stack(np.meshgrid(i, i, indexing="ij"), -1).reshape(-1, 2)
    x = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1).reshape(-1, 2)
    phase = np.cos((x[:, None] - x) @ k.T)
    return phase @ power / box**2


@pytest.mark.parametrize("output", ["log", "log10", "delta"])
def test_likelihood_is_the_density_of_a_multivariate_normal(output):
    simulator = Lognormal(output=output, **TINY)
    rng = stream(0, "likelihood")
    theta = simulator.prior.sample(6, rng).reshape(3, 2, 2)
    x = simulator.simulate(theta[0], rng).astype(np.float64)
    found = simulator.log_likelihood(theta, x)
    for b in range(2):
        logs = {"log": x[b], "log10": x[b] * np.log(10), "delta": np.log1p(np.maximum(x[b], -0.9))}
        y = logs[output].ravel()
        jacobian = {"log": 0.0, "log10": y.size * np.log(np.log(10)), "delta": -y.sum()}[output]
        for i in range(3):
            C = covariance(simulator, theta[i, b])
            mean = np.full(16, -C[0, 0] / 2)
            expected = stats.multivariate_normal(mean, C).logpdf(y) + jacobian
            assert found[i, b] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("output", ["log", "delta"])
def test_mean_score_at_the_truth_is_zero(output):
    simulator = Lognormal(output=output, pixels=16)
    truth, n, step = np.array([0.3, 0.8]), 2000, 1e-4
    x = simulator.simulate(np.tile(truth, (n, 1)), stream(1, "score"))
    ends = truth + step * np.array([[[1, 0]], [[-1, 0]], [[0, 1]], [[0, -1]]])
    log_prob = simulator.log_likelihood(np.broadcast_to(ends, (4, n, 2)), x)
    score = (log_prob[::2] - log_prob[1::2]) / (2 * step)
    z = score.mean(1) / (score.std(1) / np.sqrt(n))
    assert (np.abs(z) < 4).all()


def test_power_of_the_slab_is_the_projected_linear_power():
    simulator = Lognormal(pixels=8)
    theta = np.array([0.27, 0.9])
    k = fields.shells(8, 2, simulator.box).k
    universe = {"omega_b": 0.049, "h": 0.6711, "n_s": 0.9624}

    def integrand(k_z, k):
        linear = cosmology.linear_power(np.array([np.hypot(k, k_z)]), theta[None], **universe)[0, 0]
        return linear * np.sinc(k_z * simulator.thickness / (2 * np.pi)) ** 2 / np.pi

    end = 40 * np.pi / simulator.thickness
    for j in (1, len(k) - 1):
        expected = quad(integrand, 0, end, args=(k[j],), limit=60, epsrel=1e-5)[0]
        assert simulator.power(theta[None])[0, j] == pytest.approx(expected, rel=1e-4)


def test_mode_zero_has_the_power_of_the_fundamental_mode():
    power = Lognormal(pixels=8).power(np.array([[0.2, 0.7]]))[0]
    assert power[0] == power[1]


@pytest.mark.parametrize("output", ["log", "log10", "delta"])
def test_simulated_fields_have_their_power_and_mean(output):
    simulator = Lognormal(pixels=16, output=output)
    theta, n = np.array([0.4, 0.7]), 1500
    x = simulator.simulate(np.tile(theta, (n, 1)), stream(2, "power")).astype(np.float64)
    y = np.log1p(x) if output == "delta" else x * {"log": 1.0, "log10": np.log(10)}[output]
    shells = fields.shells(16, 2, simulator.box)
    squares = np.abs(np.fft.fft2(y[:, 0])) ** 2 * (simulator.box / 16**2) ** 2
    found = np.bincount(shells.of_mode.ravel(), squares.mean(0).ravel())[1:] / shells.modes[1:]
    expected = simulator.power(theta[None])[0, 1:]
    assert (np.abs(found / expected - 1) < 4.5 * np.sqrt(2 / (n * shells.modes[1:]))).all()
    means = np.exp(y).mean((1, 2, 3))
    assert abs(means.mean() - 1) < 4 * means.std() / np.sqrt(n)


@pytest.mark.parametrize(("output", "allowed"), [("log", 1e-4), ("delta", 3e-4)])
def test_float32_costs_little(output, allowed):
    simulator = Lognormal(output=output)
    rng = stream(3, "float32")
    theta = simulator.prior.sample(50, rng)
    x = simulator.simulate(theta, rng)
    beside = x.astype(np.float64) * (1 + 6e-8 * rng.uniform(-1, 1, x.shape))
    change = simulator.log_likelihood(theta[None], beside) - simulator.log_likelihood(
        theta[None], x
    )
    assert np.abs(change).max() < allowed


def test_exact_posterior_covers_the_truth():
    simulator = Lognormal(pixels=16)
    rng = stream(4, "coverage")
    theta = simulator.prior.sample(300, rng)
    x = simulator.simulate(theta, rng)
    trial = simulator.prior.sample(2000, rng)
    log_prob = simulator.log_likelihood(np.broadcast_to(trial[:, None], (2000, 300, 2)), x)
    weight = np.exp(log_prob - log_prob.max(0))
    weight /= weight.sum(0)
    below = np.einsum("nb,nbd->bd", weight, trial[:, None] < theta)
    assert all(stats.kstest(below[:, i], "uniform").pvalue > 1e-3 for i in range(2))


def test_contracts_seeds_and_blocks(monkeypatch):
    simulator = Lognormal(pixels=8)
    assert isinstance(simulator, Simulator)
    assert isinstance(simulator, HasLikelihood)
    theta = np.array([[0.2, 0.7], [0.4, 0.9]])
    x = simulator.simulate(theta, stream(5, "x"))
    assert x.shape == (2, 1, 8, 8)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[:1], simulator.simulate(theta[:1], stream(5, "x")))
    trial = simulator.prior.sample(10, stream(5, "trial")).reshape(5, 2, 2)
    whole = simulator.log_likelihood(trial, x)
    monkeypatch.setattr("sbipipe.simulators.lognormal._BLOCK", 5)
    np.testing.assert_allclose(simulator.log_likelihood(trial, x), whole, rtol=1e-12)


def test_impossible_universes_and_fields_have_no_likelihood():
    simulator = Lognormal(pixels=4, output="delta")
    x = np.zeros((3, 1, 4, 4))
    x[2, 0, 1, 1] = -1
    theta = np.array([[[0.05, 0.8], [0.3, -0.1], [0.3, 0.8]]])
    assert (simulator.log_likelihood(theta, x) == -np.inf).all()
    with pytest.raises(ValueError, match=r"allowed: 0\.1 to 0\.5, the reach of the prior"):
        simulator.simulate(np.array([[0.05, 0.8]]), stream(0, "x"))


def test_unbounded_priors_are_reached_into():
    marginals = {
        "omega_m": Normal(kind="normal", loc=0.3, scale=0.04),
        "sigma_8": Uniform(kind="uniform", low=0.6, high=1.0),
    }
    simulator = Lognormal(prior=ProductPrior(marginals), pixels=4)
    assert simulator.simulate(np.array([[0.1, 0.8], [0.5, 0.8]]), stream(0, "x")).shape[0] == 2


def test_prior_without_room_for_dark_matter():
    prior = {"kind": "uniform", "low": 0.02, "high": 0.5}
    with pytest.raises(ValueError, match=r"omega_m reaches down to 0\.02"):
        Lognormal(prior={"omega_m": prior, "sigma_8": {**prior, "low": 0.1}})


@pytest.mark.parametrize("name", ["omega_m", "sigma_8"])
def test_either_parameter_may_be_fixed(name: str) -> None:
    values = {"omega_m": 0.3, "sigma_8": 0.8}
    ranges = {"omega_m": (0.1, 0.5), "sigma_8": (0.6, 1.0)}
    prior = {
        one: {"kind": "fixed", "value": values[one]}
        if one == name
        else {"kind": "uniform", "low": low, "high": high}
        for one, (low, high) in ranges.items()
    }
    simulator = completed(parse(Lognormal, {"prior": prior, "pixels": 8}, "simulate.maps.config"))
    (other,) = simulator.prior.names
    theta = np.array([[values[other]]])
    x = simulator.simulate(theta, np.random.default_rng(0))
    free, both = Lognormal(pixels=8), np.array([[*values.values()]])
    np.testing.assert_allclose(x, free.simulate(both, np.random.default_rng(0)), rtol=1e-4)
    found = simulator.log_likelihood(theta[:, None], x)
    np.testing.assert_allclose(found, free.log_likelihood(both[:, None], x), rtol=1e-4)
