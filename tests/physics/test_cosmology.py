import numpy as np
import pytest
from scipy.integrate import quad

from sbipipe.physics import cosmology
from sbipipe.records import InputError, parse, plugin

CAMELS = {"omega_b": 0.049, "h": 0.6711, "n_s": 0.9624}


@pytest.mark.parametrize("theta", [(0.1, 0.6), (0.3, 0.8), (0.5, 1.0)])
def test_power_has_the_sigma_8_it_was_asked_for(theta):
    log_k = np.linspace(np.log(1e-5), np.log(30), 3000)
    power = cosmology.linear_power(np.exp(log_k), np.array([theta]), **CAMELS)[0]

    def integrand(t):
        x = 8 * np.exp(t)
        window = 3 * (np.sin(x) - x * np.cos(x)) / x**3
        return np.exp(3 * t) * np.interp(t, log_k, power) * window**2 / (2 * np.pi**2)

    variance = sum(quad(integrand, a, a + 0.5, limit=100)[0] for a in np.arange(-11, 3, 0.5))
    assert np.sqrt(variance) == pytest.approx(theta[1], rel=1e-3)


def test_power_rises_as_the_primordial_one_and_is_proportional_to_sigma_8_squared():
    k = np.array([1e-6, 2e-6])
    power = cosmology.linear_power(k, np.array([[0.3, 0.8], [0.3, 0.4]]), **CAMELS)
    assert power[0, 1] / power[0, 0] == pytest.approx(2**0.9624, rel=1e-4)
    np.testing.assert_allclose(power[0], 4 * power[1])


def test_no_room_for_dark_matter():
    with pytest.raises(ValueError, match=r"omega_m 0.04 given; allowed: above omega_b = 0.049"):
        cosmology.linear_power(np.ones(2), np.array([[0.04, 0.8]]), **CAMELS)


@plugin
class Universe:
    prior: cosmology.CosmologyPrior


@pytest.mark.parametrize(
    ("names", "low", "message"),
    [
        (("omega_m", "sigma8"), 0.1, "allowed: omega_m and sigma_8"),
        (("sigma_8", "omega_m"), 0.1, "in order"),
        (("omega_m", "sigma_8"), -0.1, "omega_m between 0 and 1"),
    ],
)
def test_priors_that_are_none_over_cosmology(names, low, message):
    prior = {name: {"kind": "uniform", "low": low, "high": 0.9} for name in names}
    with pytest.raises(InputError, match=message):
        parse(Universe, {"prior": prior}, "simulate.mine.config")
