import numpy as np
import pytest

from sbipipe.physics import background

Z = np.array([0.0, 0.3, 1.0, 2.0, 9.0])


def test_a_universe_of_matter_alone():
    """Einstein-de Sitter: chi = 2 c / H_0 (1 - 1 / sqrt(1 + z)) and D = a."""
    chi = 2 * background.HUBBLE_LENGTH * (1 - (1 + Z) ** -0.5)
    np.testing.assert_allclose(background.comoving_distance(Z, 1.0), chi, rtol=1e-12)
    np.testing.assert_allclose(background.growth(Z, 1.0), 1 / (1 + Z), rtol=1e-12)


@pytest.mark.parametrize("omega_m", [0.1, 0.3, 0.5])
def test_growth_solves_its_equation(omega_m):
    """D'' + (2 + dlnH/dlna) D' = (3/2) Omega_m(a) D, with derivatives in ln a."""
    step = 1e-3
    a = np.exp(np.array([-1.5, -0.7, -0.2])[:, None] + step * np.arange(-1, 2))
    D = background.growth(1 / a - 1, omega_m)
    first, second = (D[:, 2] - D[:, 0]) / (2 * step), (D @ [1, -2, 1]) / step**2
    share = omega_m * a[:, 1] ** -3 / background.expansion(1 / a[:, 1] - 1, omega_m) ** 2
    np.testing.assert_allclose(second + (2 - 1.5 * share) * first, 1.5 * share * D[:, 1], rtol=1e-5)


@pytest.mark.parametrize("omega_m", [0.1, 0.3, 0.5])
def test_jax_cosmo_agrees(omega_m):
    from jax_cosmo.background import radial_comoving_distance
    from jaxpm.growth import growth_factor

    def universe():
        return background.jax_cosmology(omega_m, omega_b=0.049, h=0.7, n_s=1.0)

    a = 1 / (1 + Z[1:])
    chi = radial_comoving_distance(universe(), a)
    np.testing.assert_allclose(background.comoving_distance(Z[1:], omega_m), chi, rtol=5e-3)
    np.testing.assert_allclose(
        background.growth(Z, omega_m), growth_factor(universe(), 1 / (1 + Z)), rtol=2e-3
    )
