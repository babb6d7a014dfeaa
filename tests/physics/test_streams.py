import numpy as np
import pytest

from sbipipe.physics import streams


def waves(n, amplitude, seed):
    """A smooth vector field: plane waves of random directions and phases, (n, n, n, 3)."""
    rng = np.random.default_rng(seed)
    q = np.indices((n, n, n)) / n
    out = np.zeros((n, n, n, 3))
    for _ in range(6):
        k, phase, vector = rng.integers(-1, 2, 3), rng.uniform(0, 7), rng.standard_normal(3)
        out += np.cos(2 * np.pi * np.tensordot(k, q, 1) + phase)[..., None] * vector
    return amplitude * out


@pytest.mark.parametrize("pixels", [5, 8, 16])
def test_one_stream_has_no_dispersion_whatever_its_gradients(pixels):
    found = streams.dispersion(waves(8, 0.15, 0), waves(8, 300.0, 1), pixels)
    assert found.density.min() > 0
    np.testing.assert_allclose(found.variance, 0, atol=1e-15 * 300**2)


def test_undisturbed_lattice_is_uniform():
    found = streams.dispersion(np.full((6, 6, 6, 3), 0.1), np.zeros((6, 6, 6, 3)), 9)
    np.testing.assert_allclose(found.density, 1, rtol=1e-9)


def test_density_is_that_of_the_map_of_the_sheet():
    """Before streams cross, at many points: all mass is found."""
    found = streams.dispersion(waves(8, 0.15, 0), np.zeros((8, 8, 8, 3)), 48)
    assert found.density.mean() == pytest.approx(1, rel=2e-3)


def pancake(n, pixels):
    """rho and sigma^2 of a folded sheet along x, from every piece of the curve x(q)."""
    q = 2 * np.pi * np.arange(n + 1) / n
    x = np.arange(n + 1) - 5 * np.sin(q)
    v = -375 * np.sin(q)
    density, variance = np.zeros(pixels), np.zeros(pixels)
    for i, at in enumerate((np.arange(pixels) + 0.5 + 2e-7) * n / pixels):
        t = np.concatenate([(at + m * n - x[:-1]) / np.diff(x) for m in (-1, 0, 1)])
        hit = (t >= 0) & (t < 1)
        rho = np.tile(1 / abs(np.diff(x)), 3)[hit]
        speed = (np.tile(v[:-1], 3) + t * np.tile(np.diff(v), 3))[hit]
        density[i] = rho.sum()
        variance[i] = np.average(speed**2, weights=rho) - np.average(speed, weights=rho) ** 2
    return density, variance


def test_three_streams_of_a_pancake():
    n, pixels = 16, 30
    psi, v = np.zeros((2, n, n, n, 3))
    psi[..., 0] = -5 * np.sin(2 * np.pi * np.arange(n) / n)[:, None, None]
    v[..., 0] = 75 * psi[..., 0]
    found = streams.dispersion(psi + np.array([0, 0.3, 0.2]), v + 40, pixels)
    density, variance = pancake(n, pixels)
    assert (variance > 0).sum() > 5
    everywhere = np.broadcast_to(variance[:, None, None], (pixels,) * 3)
    np.testing.assert_allclose(found.variance, everywhere, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.density[:, 3, 4], density, rtol=1e-9)


def test_shifts_move_it():
    psi, v = waves(8, 2.0, 2), waves(8, 300.0, 3)
    still = streams.dispersion(psi, v, 16)
    moved = streams.dispersion(psi + np.array([2, 0, 0]), v + 50, 16)
    assert (still.variance > 1).mean() > 0.1
    np.testing.assert_allclose(moved.variance, np.roll(still.variance, 4, 0), atol=1e-6)
