import itertools
from dataclasses import replace

import numpy as np
import pytest

from sbipipe.physics import background, cosmology
from sbipipe.physics.fields import power_spectrum
from sbipipe.physics.taper import tapered
from sbipipe.priors.prior import uniform_prior
from sbipipe.protocols import Simulator
from sbipipe.records import InputError, parse
from sbipipe.seeds import stream
from sbipipe.simulators.convergence import Convergence

SMALL = Convergence(mesh=16, pixels=16, steps=5, maps=3)
THETA = np.array([[0.3, 0.8], [0.2, 0.9]])


@pytest.fixture(scope="module")
def maps():
    return SMALL.simulate(THETA, stream(0, "maps"))


def test_contract(maps):
    assert isinstance(SMALL, Simulator)
    assert maps.shape == (6, 1, 16, 16)
    assert maps.dtype == np.float32
    geometry = SMALL.data.geometry
    assert not geometry.periodic
    assert (geometry.box, geometry.unit) == (2.0, "degree")


def test_a_seed_is_a_universe_and_its_maps_differ(maps):
    alone = SMALL.simulate(THETA[:1], stream(0, "maps"))
    np.testing.assert_array_equal(alone, maps[:3])
    for one, other in itertools.combinations(maps, 2):
        assert np.abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.9


def test_more_maps_begin_with_the_same_matter(maps):
    """As strong: they are of one box."""
    more = replace(SMALL, maps=60).simulate(THETA[:1], stream(0, "maps"))
    assert len(more) == 60
    assert maps[:3].std() == pytest.approx(more.std(), rel=0.5)


def test_stronger_with_more_matter_and_with_more_structure():
    def strength(omega_m, sigma_8):
        theta = np.array([[omega_m, sigma_8]])
        return replace(SMALL, maps=40).simulate(theta, stream(0, "maps")).std()

    assert strength(0.3, 0.6) < strength(0.3, 0.8) < strength(0.3, 1.0)
    assert strength(0.15, 0.8) < strength(0.3, 0.8) < strength(0.5, 0.8)


def test_sources_further_away_are_lensed_more(maps):
    further = replace(SMALL, source=1.5, field=1.5).simulate(THETA, stream(0, "maps"))
    assert further.std() > maps.std()


WIDE = Convergence(
    box=200.0,
    mesh=32,
    field=4.4,
    steps=5,
    maps=8,
    prior=uniform_prior(omega_m=(0.25, 0.35), sigma_8=(0.01, 1.0)),
)


def window(k, cell):
    """Of the sheet, of painting and of reading a plane, all linear between points of one grid, on
    power; averaged over directions."""
    angle = (np.arange(16) + 0.5) / 16 * np.pi / 2
    x = [k * side(angle)[:, None] * cell / 2 / np.pi for side in (np.cos, np.sin)]
    return ((np.sinc(x[0]) * np.sinc(x[1])) ** 12).mean(0)


def limber(simulator, theta, multipole):
    """C(l) = ((3/2) Omega_m / R^2)^2 int dchi [(1 - chi / chi_s) / a]^2 P(l / chi, z)."""
    omega_m, R = theta[0], background.HUBBLE_LENGTH
    universe = {"omega_b": simulator.omega_b, "h": simulator.h, "n_s": simulator.n_s}
    z = np.linspace(0, simulator.source, 401)[1:] - simulator.source / 800
    chi, step = background.comoving_distance(z, omega_m), simulator.source / 400
    source = background.comoving_distance(np.array(simulator.source), omega_m)
    total = np.zeros(len(multipole))
    for chi_i, z_i in zip(chi, z, strict=True):
        k = multipole / chi_i
        power = cosmology.linear_power(k, np.array([theta]), **universe)[0]
        power *= background.growth(np.array(z_i), omega_m) ** 2
        power *= window(k, simulator.box / simulator.mesh)
        dchi = R / background.expansion(np.array(z_i), omega_m) * step
        total += ((1 - chi_i / source) * (1 + z_i)) ** 2 * power * dchi
    return (1.5 * omega_m / R**2) ** 2 * total


def test_small_fluctuations_have_the_power_of_the_limber_integral():
    """Up to half the Nyquist wavenumber of the mesh at the distance where light is bent most;
    5 % for the softening of the force, the planes and the width of the bands."""
    theta, side = (0.3, 0.1), np.radians(WIDE.field)
    edges = 2 * np.pi / side * np.array([1.5, 2.5, 3.5, 5.0])
    boxes = []
    for seed in range(16):
        maps = WIDE.simulate(np.array([theta]), stream(seed, "limber"))[:, 0]
        found = power_spectrum(tapered(maps, WIDE.data.geometry), side, dimensions=2, edges=edges)
        boxes.append(found.power.mean(0))
    ratio = np.array(boxes) / limber(WIDE, theta, found.k)
    error = ratio.std(0, ddof=1) / np.sqrt(len(boxes))
    assert (error < 0.08).all()
    assert (np.abs(ratio.mean(0) - 1) < 4 * error + 0.05).all()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"field": 2.5},
            "field: 2.5 given; allowed: up to 2.13 degrees, the box of 100 Mpc/h at redshift 1 "
            "where omega_m = 0.1",
        ),
        ({"source": 9}, "source: 9 given; allowed: below redshift = 9"),
        ({"source": 0}, r"simulate\.kappa\.config\.source"),
        ({"box": 600, "field": 1}, "box: 600 given; allowed: up to 418 Mpc/h"),
        ({"omega_b": 0.2}, "omega_m reaches down to 0.1; allowed: above omega_b = 0.2"),
        ({"channels": ["gas"]}, r"simulate\.kappa\.config\.channels: unknown key"),
        (
            {"prior": {n: {"kind": "uniform", "low": 0.1, "high": 0.5} for n in ("omega_m", "z")}},
            "allowed: omega_m and sigma_8",
        ),
    ],
)
def test_bad_configuration(config, message):
    with pytest.raises(InputError, match=message):
        parse(Convergence, config, "simulate.kappa.config")
