import numpy as np
import pytest

from sbipipe.physics import phase_space_sheet as sheet


def displacement(n, scale, seed=0):
    rng = np.random.default_rng(seed)
    return (scale * rng.standard_normal((n, n, n, 3))).astype(np.float32)


@pytest.mark.parametrize("scale", [0.0, 0.3, 2.0])
def test_mass_is_conserved_along_every_axis(scale):
    maps = sheet.slab_maps(sheet.trace(displacement(8, scale), 1.0), pixels=8, slabs=4)
    assert maps.shape == (3, 4, 8, 8)
    np.testing.assert_allclose(maps.mean((1, 2, 3)), 1, rtol=1e-6)


def test_undisturbed_lattice_is_uniform():
    maps = sheet.slab_maps(sheet.trace(np.zeros((8, 8, 8, 3), np.float32), 1.0), 8, 4)
    np.testing.assert_allclose(maps, 1, rtol=1e-5)


def test_translation_moves_the_maps():
    shift = np.zeros((8, 8, 8, 3), np.float32)
    psi = displacement(8, 0.4)
    still = sheet.slab_maps(sheet.trace(psi, 1.0), 8, 4)
    shift[..., 1] = 3
    moved = sheet.slab_maps(sheet.trace(psi + shift, 1.0), 8, 4)
    np.testing.assert_allclose(moved[0], np.roll(still[0], 3, 1), atol=2e-4)


def test_plane_wave_has_the_density_of_one_dimension():
    """Along x the sheet is a curve: its mass on the pixels, counted with many points."""
    n, fine = 16, (np.arange(100_000) + 0.5) / 100_000
    psi_line = 2 * np.sin(2 * np.pi * np.arange(n) / n)
    psi = np.zeros((n, n, n, 3), np.float32)
    psi[..., 0] = psi_line[:, None, None]
    maps = sheet.slab_maps(sheet.trace(psi, 0.25), 8, 1)
    x = (fine + np.interp(fine * n, np.arange(n + 1), np.append(psi_line, psi_line[0])) / n) % 1
    pixel = x * 8 - 0.5
    low, share = np.floor(pixel).astype(int), pixel % 1
    expected = sum(np.bincount((low + j) % 8, abs(1 - j - share), 8) for j in (0, 1)) * 8 / 1e5
    np.testing.assert_allclose(maps[2, 0, :, 0], expected, rtol=1e-2)
    assert np.ptp(expected) > 1


def test_a_stretched_void_is_never_empty():
    """A third of the mass along each axis covers nine tenths of the box."""
    n = 9
    q = np.arange(n) / n
    x = np.where(q < 1 / 3, 2.7 * q, 0.9 + 0.15 * (q - 1 / 3)) * n
    psi = np.stack(np.meshgrid(*[x - np.arange(n)] * 3, indexing="ij"), -1).astype(np.float32)
    maps = sheet.slab_maps(sheet.trace(psi, 1.9), n, 4)
    assert maps.min() > 0.01
    one_tracer_per_particle = sheet.slab_maps(sheet.trace(psi, 100.0), n, 4)
    assert one_tracer_per_particle.min() == 0


@pytest.mark.parametrize("scale", [0.0, 0.4, 2.0])
def test_a_box_and_its_slabs_hold_the_same_mass(scale):
    tracers = sheet.trace(displacement(8, scale), 1.0)
    box, maps = sheet.box_density(tracers, 8), sheet.slab_maps(tracers, 8, 1)
    assert box.mean() == pytest.approx(1, rel=1e-6)
    for axis in range(3):
        np.testing.assert_allclose(box.mean(axis), maps[axis, 0], rtol=1e-5)


@pytest.mark.parametrize("slabs", [1, 3, 5, 8])
def test_slab_sums_are_those_of_the_slab_that_a_centre_lies_in(slabs):
    field = np.random.default_rng(0).random((8, 8, 8))
    slab = (np.arange(8) + 0.5) / 8 * slabs // 1
    found = sheet.slab_sums(field, slabs)
    for s in range(slabs):
        np.testing.assert_allclose(found[0, s], field[slab == s].sum(0))
        np.testing.assert_allclose(found[1, s], field[:, slab == s].sum(1))
        np.testing.assert_allclose(found[2, s], field[:, :, slab == s].sum(2))
