import numpy as np
import pytest

from sbipipe.physics.cosmology import default_prior
from sbipipe.priors.prior import uniform_prior
from sbipipe.sets import cmd_layout
from sbipipe.simulators.particle_mesh import ParticleMesh


def test_one_parameter_varies_at_a_time_and_the_fiducial_is_repeated():
    design = cmd_layout.design("1P", default_prior(), seed=0)
    assert design.theta.shape == (22, 2)
    np.testing.assert_allclose(design.theta[[5, 16]], [[0.3, 0.8]] * 2)
    np.testing.assert_allclose(design.theta[:11, 0], np.linspace(0.1, 0.5, 11), atol=1e-12)
    np.testing.assert_allclose(design.theta[11:, 1], np.linspace(0.6, 1.0, 11), atol=1e-12)
    assert set(design.universe) == {0}


def test_cosmic_variance_repeats_the_fiducial_universe():
    design = cmd_layout.design("CV", default_prior(), seed=0)
    assert (design.theta == [0.3, 0.8]).all()
    assert len(set(design.universe)) == 27


def test_latin_hypercube_has_one_universe_in_every_interval():
    prior = default_prior()
    design = cmd_layout.design("LH", prior, seed=3, simulations=50)
    cells = np.sort(np.floor(prior.to_unit(design.theta) * 50), 0)
    np.testing.assert_array_equal(cells, np.tile(np.arange(50)[:, None], (1, 2)))
    assert len(set(design.universe)) == 50


class Flat:
    """Maps that show which random phases they got."""

    prior = default_prior()
    maps = 15

    def simulate(self, theta, rng):
        return np.tile(rng.standard_normal((1, 1, 4, 4)), (15, 1, 1, 1)).astype(np.float32)


def test_a_set_has_the_phases_of_its_design(tmp_path):
    maps, parameters = cmd_layout.simulate_set(Flat(), tmp_path, "1P", seed=1, box=25.0)
    assert maps.name == "Maps_Mcdm_sbipipe_1P_z=0.00.npy"
    assert parameters.name == "params_1P_sbipipe.txt"
    written = np.load(maps)
    assert written.shape == (15 * 22, 4, 4)
    assert written.dtype == np.float32
    overdensity = (
        written
        / cmd_layout.read_parameters(tmp_path, "sbipipe", "1P")[np.arange(330) // 15, :1, None]
    )
    np.testing.assert_allclose(overdensity, overdensity[:1].repeat(330, 0), rtol=1e-5)


def test_surface_density_of_the_mean_universe(tmp_path):
    theta = np.array([[0.3, 0.8]])
    flat = np.zeros((15, 1, 4, 4), np.float32)
    maps, _ = cmd_layout.write_cmd(
        tmp_path, suite="s", set="CV", theta=theta, log_density=flat, box=25.0
    )
    np.testing.assert_allclose(np.load(maps), 0.3 * 2.77536627e11 * 5, rtol=1e-6)


def test_wrong_requests(tmp_path):
    with pytest.raises(ValueError, match="allowed: LH, 1P, CV"):
        cmd_layout.design("EX", default_prior(), seed=0)
    with pytest.raises(ValueError, match="parameters"):
        cmd_layout.design("CV", uniform_prior(a=(0.0, 1.0)), seed=0)
    with pytest.raises(ValueError, match=r"allowed: \(30, 1, n, n\)"):
        cmd_layout.write_cmd(
            tmp_path,
            suite="s",
            set="LH",
            theta=np.ones((2, 2)),
            log_density=np.zeros((15, 1, 4, 4)),
            box=1.0,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": ("density", "gas")}, "channels density, gas given; allowed: 15 maps of the"),
        ({"output": "box"}, "1 fields a simulation given; allowed: 15 maps"),
        ({"slabs": 4}, "12 fields a simulation given; allowed: 15 maps"),
        (
            {"prior": uniform_prior(omega_m=(0.1, 0.5), sigma_8=(0.6, 1.0), redshift=(0, 2))},
            "parameters omega_m, sigma_8, redshift given",
        ),
    ],
)
def test_what_the_layout_cannot_hold(settings, message):
    assert cmd_layout.obstacle(ParticleMesh()) == ""
    assert message in cmd_layout.obstacle(ParticleMesh(**settings))
