from dataclasses import replace

import numpy as np
import pytest

from sbipipe.physics import background, fields
from sbipipe.physics import phase_space_sheet as sheet
from sbipipe.physics.cosmology import default_prior, linear_power
from sbipipe.priors.prior import uniform_prior
from sbipipe.protocols import Simulator
from sbipipe.records import InputError, parse
from sbipipe.seeds import stream
from sbipipe.sets import cmd_layout
from sbipipe.simulators.cmd import Cmd
from sbipipe.simulators.particle_mesh import ParticleMesh


def with_redshift(low, high):
    return uniform_prior(omega_m=(0.1, 0.5), sigma_8=(0.6, 1.0), redshift=(low, high))


SMALL = ParticleMesh(mesh=16, pixels=16, steps=5, box=12.5)
LINEAR = ParticleMesh(
    mesh=16,
    pixels=16,
    slabs=4,
    steps=5,
    box=400.0,
    prior=uniform_prior(omega_m=(0.1, 0.5), sigma_8=(0.001, 1.0)),
)
FACES = replace(SMALL, channels=("density", "gas", "energy"))
AT_Z = replace(SMALL, prior=with_redshift(0.0, 2.0))
WIDE = ParticleMesh(mesh=24, pixels=24, steps=5, box=25.0, slabs=2, filtering=1.5)


@pytest.fixture(scope="module")
def maps():
    return SMALL.simulate(np.array([[0.3, 0.8], [0.2, 0.9]]), stream(0, "maps"))


def test_contract(maps):
    assert isinstance(SMALL, Simulator)
    assert SMALL.maps == 15
    assert maps.shape == (30, 1, 16, 16)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()


def test_mass_is_conserved(maps):
    density = 10.0 ** maps.reshape(2, 3, 5, -1).astype(np.float64)
    np.testing.assert_allclose(density.mean((2, 3)), 1, rtol=1e-5)


def test_a_seed_is_a_universe_whatever_the_batch(maps):
    alone = SMALL.simulate(np.array([[0.3, 0.8]]), stream(0, "maps"))
    np.testing.assert_array_equal(alone, maps[:15])
    assert not np.array_equal(maps[:15], maps[15:])


def test_linear_field_has_the_linear_power():
    theta, n = np.array([0.3, 0.8]), 60
    rng = stream(1, "linear")
    made = np.stack([LINEAR.linear_field(theta, rng) for _ in range(n)])
    shells = fields.shells(16, 3, 400.0)
    edges = shells.k[[1, 2]] * [0.999, 1.0]
    _, power, modes = fields.power_spectrum(made, 400.0, dimensions=3, edges=edges)
    expected = linear_power(shells.k[1:2], theta[None], omega_b=0.049, h=0.6711, n_s=0.9624)[0, 0]
    assert abs(power.mean() / expected - 1) < 4 * np.sqrt(2 / (n * modes[0]))


def growth(theta, seed):
    """-div psi over delta_linear for the longest waves, and what is left over."""
    psi = LINEAR.displacement(theta, stream(seed, "growth")).astype(np.float64)
    linear = np.fft.fftn(LINEAR.linear_field(theta, stream(seed, "growth")))
    k = np.stack(np.meshgrid(*[2 * np.pi * np.fft.fftfreq(16)] * 3, indexing="ij"))
    grown = -1j * np.einsum("axyz,xyza->xyz", k, np.fft.fftn(psi, axes=(0, 1, 2)))
    of_mode = fields.shells(16, 3, 400.0).of_mode
    long = (of_mode > 0) & (of_mode <= 2)
    ratio = (grown[long] / linear[long]).mean().real
    return ratio, np.abs(grown[long] / linear[long] - ratio).max()


@pytest.mark.parametrize("theta", [(0.1, 0.01), (0.5, 0.01), (0.3, 0.1)])
def test_small_fluctuations_grow_linearly(theta):
    """Mode by mode, but for the force's softening on the mesh: some 4 % at 1/16 of its size."""
    ratio, scatter = growth(np.array(theta), 2)
    assert 0.94 < ratio < 1
    assert scatter < 0.1


def test_linear_maps_scale_with_sigma_8():
    def delta(sigma_8):
        theta = np.array([0.3, sigma_8])
        return LINEAR.overdensity(LINEAR.displacement(theta, stream(3, "scaling")), theta) - 1

    small, double = delta(0.01), delta(0.02)
    assert (double * small).sum() / (small**2).sum() == pytest.approx(2, rel=0.02)


def test_more_structure_with_more_sigma_8(maps):
    low, high = (
        SMALL.simulate(np.array([[0.3, sigma_8]]), stream(0, "maps")) for sigma_8 in (0.6, 1.0)
    )
    assert low.std() < maps[:15].std() < high.std()


def test_other_channels_change_no_bit_of_the_density(maps):
    theta = np.array([[0.3, 0.8], [0.2, 0.9]])
    three = FACES.simulate(theta, stream(0, "maps"))
    assert three.shape == (30, 3, 16, 16)
    np.testing.assert_array_equal(three[:, :1], maps)
    other = replace(FACES, channels=("energy", "density")).simulate(theta, stream(0, "maps"))
    np.testing.assert_array_equal(other, three[:, [2, 0]])


def test_gas_is_the_matter_on_large_scales():
    """Their correlation tends to one as k R falls, and both have all the mass."""
    theta, rng = np.array([0.3, 0.8]), stream(0, "gas")
    psi = WIDE.displacement(theta, rng)
    gas = fields.smoothed(psi, WIDE.filtering, WIDE.box).astype(np.float32)
    both = [WIDE.overdensity(one, theta) for one in (psi, gas)]
    np.testing.assert_allclose(both[1].mean((1, 2, 3)), 1, rtol=1e-5)
    matter, gas, sum_of_both = (
        fields.power_spectrum(one, WIDE.box, dimensions=2).power.mean((0, 1))
        for one in (*both, both[0] + both[1])
    )
    coherence = (sum_of_both - matter - gas) / 2 / np.sqrt(matter * gas)
    assert coherence[0] > 0.99
    assert coherence[0] > coherence[3] > coherence[-1]
    assert gas[0] / matter[0] > gas[3] / matter[3]


def test_gas_that_is_not_filtered_is_the_matter(maps):
    fine = replace(FACES, filtering=1e-3, channels=("gas",))
    found = fine.simulate(np.array([[0.3, 0.8], [0.2, 0.9]]), stream(0, "maps"))
    np.testing.assert_allclose(found, maps, atol=1e-3)


def test_energy_is_zero_before_streams_cross_and_rises_with_sigma_8():
    def energy(simulator, sigma_8):
        cosmology = np.array([[0.3, sigma_8]])
        return replace(simulator, channels=("energy",)).simulate(cosmology, stream(0, "energy"))

    np.testing.assert_allclose(energy(LINEAR, 0.01), 0, atol=1e-6)
    low, high = energy(SMALL, 0.6), energy(SMALL, 1.0)
    assert low.min() > -1e-6
    assert 0.01 < low.mean() < high.mean()


def test_energy_is_weighed_by_mass():
    """A slab as thick as the box: 10^energy - 1 times the mass is the energy of the box."""
    theta = np.array([0.3, 0.8])
    one = replace(SMALL, slabs=1)
    motion = one.motion(theta, stream(0, "energy"))
    energy, mass = one.energy(motion, theta), one.overdensity(motion.displacement, theta)
    total = (energy * mass).mean((1, 2, 3))
    np.testing.assert_allclose(total, total[0], rtol=1e-5)


def test_redshift_zero_is_today_to_the_bit(maps):
    theta = np.array([[0.3, 0.8, 0.0], [0.2, 0.9, 0.0]])
    np.testing.assert_array_equal(AT_Z.simulate(theta, stream(0, "maps")), maps)


@pytest.mark.parametrize("omega_m", [0.1, 0.5])
@pytest.mark.parametrize("z", [0.5, 2.0])
def test_linear_maps_scale_with_the_growth_of_their_own_universe(omega_m, z):
    """But for the softened force, which costs some 6 % of the growth until today."""

    def delta(z):
        theta = np.array([omega_m, 0.02, z])
        return LINEAR.overdensity(LINEAR.displacement(theta, stream(3, "growth")), theta) - 1

    today, then = delta(0.0), delta(z)
    ratio = (then * today).sum() / (today**2).sum()
    assert ratio == pytest.approx(background.growth(np.array(z), omega_m), rel=0.08)


def test_less_structure_and_colder_at_a_higher_redshift():
    three = replace(FACES, prior=AT_Z.prior)
    theta = np.array([[0.3, 0.8, z] for z in (0.0, 0.5, 1.0, 2.0)])
    x = np.concatenate([three.simulate(row[None], stream(0, "maps")) for row in theta])
    density, gas, energy = np.moveaxis(x.reshape(4, 15, 3, -1), 2, 0)
    assert (np.diff(density.std((1, 2))) < 0).all()
    assert (np.diff(gas.std((1, 2))) < 0).all()
    assert (np.diff(energy.mean((1, 2))) < 0).all()


@pytest.mark.parametrize("z", [-0.1, 2.1])
def test_redshift_out_of_range(z):
    with pytest.raises(ValueError, match=f"redshift {z} given; allowed: 0 to 2"):
        AT_Z.simulate(np.array([[0.3, 0.8, z]]), stream(0, "maps"))


def test_a_box_holds_what_its_slabs_hold():
    """The mean through the box is that of one slab as thick, for mass and for energy."""
    theta = np.array([0.3, 0.8])
    box, whole = replace(FACES, output="box"), replace(SMALL, slabs=1)
    assert (box.maps, box.data.shape) == (1, (3, 16, 16, 16))
    motion = whole.motion(theta, stream(0, "box"))
    density = box.overdensity(motion.displacement, theta)
    energy = (density * box.energy(motion, theta)).mean(0) / density.mean(0)
    assert density.mean() == pytest.approx(1, rel=1e-5)
    maps = whole.overdensity(motion.displacement, theta)
    np.testing.assert_allclose(density.mean(0), maps[0, 0], rtol=1e-4)
    np.testing.assert_allclose(energy, whole.energy(motion, theta)[0, 0], rtol=1e-5)
    x = box.simulate(theta[None], stream(0, "box"))
    np.testing.assert_array_equal(x[0, 0], np.log10(density).astype(np.float32))


def test_a_linear_box_is_the_linear_field():
    """But for the windows of the mesh and of the pixels, on the longest waves."""
    theta = np.array([0.3, 0.05])
    box = replace(LINEAR, output="box")
    delta = box.overdensity(box.displacement(theta, stream(3, "box")), theta) - 1
    waves = [np.fft.fftn(one) for one in (delta, box.linear_field(theta, stream(3, "box")))]
    of_mode = fields.shells(16, 3, 400.0).of_mode
    long = (of_mode > 0) & (of_mode <= 2)
    ratio = (waves[0] * waves[1].conj())[long].sum() / (np.abs(waves[1][long]) ** 2).sum()
    assert 0.9 < abs(ratio) < 1.02


def test_empty_pixel_and_lost_particles_are_named(monkeypatch):
    still, theta = np.zeros((16, 16, 16, 3), np.float32), np.array([0.3, 0.8])
    with pytest.raises(ArithmeticError, match="particles without a finite position"):
        SMALL.overdensity(still * np.nan, theta)
    point = sheet.Tracers(np.full((3, 1), 0.5), np.ones(1))
    monkeypatch.setattr(sheet, "trace", lambda displacement, spacing: point)
    with pytest.raises(ArithmeticError, match=r"theta \[0\.3 0\.8\]: 3828 empty .* in map 0"):
        SMALL.overdensity(still, theta)


def test_cmd_layout_gives_back_theta_and_maps(tmp_path):
    cmd_layout.simulate_set(SMALL, tmp_path, "LH", seed=7, box=SMALL.box, simulations=2)
    rows = Cmd(folder=str(tmp_path), suite="sbipipe", prior=default_prior()).read()
    design = cmd_layout.design("LH", default_prior(), seed=7, simulations=2)
    np.testing.assert_array_equal(rows.theta, design.theta.repeat(15, 0))
    again = SMALL.simulate(design.theta[1:], stream(7, "cmd", "LH", "universe", 1))
    np.testing.assert_allclose(rows.x[15:], again, atol=2e-6)


def with_z(low, high, name="redshift"):
    ranges = {"omega_m": (0.1, 0.5), "sigma_8": (0.6, 1.0), name: (low, high)}
    return {
        name: {"kind": "uniform", "low": low, "high": high} for name, (low, high) in ranges.items()
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"steps": 0}, r"simulate\.cdm\.config\.steps"),
        ({"spacing": 2.0}, r"simulate\.cdm\.config\.spacing"),
        ({"omega_b": 0.2}, "omega_m reaches down to 0.1; allowed: above omega_b = 0.2"),
        (
            {"channels": ["density", "dust"]},
            "channels.1: given \"dust\".* 'density', 'gas' or 'energy'",
        ),
        ({"channels": []}, r"simulate\.cdm\.config\.channels"),
        ({"channels": ["gas", "gas"]}, "gas, gas given; allowed: each of them once"),
        (
            {"channels": ["energy"], "slabs": 40},
            "slabs: 40 given; allowed with energy: up to the 32 pixels",
        ),
        ({"prior": with_z(0, 3)}, "redshift reaches from 0 to 3; allowed: 0 to 2"),
        ({"prior": with_z(0, 2), "redshift": 2}, "redshift: 2 given; allowed: above the 2 that"),
        (
            {"prior": with_z(0, 2, "z")},
            "the parameters are omega_m, sigma_8, z; allowed: .* redshift",
        ),
        ({"output": "cube"}, "output: given \"cube\".* 'slice' or 'box'"),
        ({"boxes": 25.0}, r"simulate\.cdm\.config\.boxes: unknown key"),
    ],
)
def test_bad_configuration(config, message):
    with pytest.raises(InputError, match=message):
        parse(ParticleMesh, config, "simulate.cdm.config")
