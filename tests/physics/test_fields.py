import numpy as np
import pytest

from sbipipe.physics import fields


def test_plane_wave_has_all_its_power_in_one_bin():
    n, box, amplitude = 16, 50.0, 0.7
    x = np.arange(n) * box / n
    wave = amplitude * np.cos(2 * np.pi / box * 3 * x)[:, None] * np.ones(n)
    k, power, modes = fields.power_spectrum(wave, box)
    total = power * modes / box**2
    np.testing.assert_allclose(total, np.where(np.arange(8) == 2, amplitude**2 / 2, 0), atol=1e-15)
    assert 2.5 < k[2] * box / (2 * np.pi) < 3.5


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_white_noise_is_flat(dimensions):
    n, box, sigma, repeats = 16, 20.0, 1.3, 200
    rng = np.random.default_rng(dimensions)
    noise = sigma * rng.standard_normal((repeats, *(n,) * dimensions))
    _, power, modes = fields.power_spectrum(noise, box, dimensions=dimensions)
    expected = sigma**2 * (box / n) ** dimensions
    error = expected * np.sqrt(2 / (modes * repeats))
    assert (np.abs(power.mean(0) - expected) < 4.5 * error).all()


def test_parseval():
    n, box = 12, 30.0
    field = np.random.default_rng(0).standard_normal((n, n, n))
    edges = np.array([0.0, 0.3, 1.0, 10.0])
    _, power, modes = fields.power_spectrum(field, box, edges=edges)
    assert modes.sum() == n**3
    np.testing.assert_allclose((power * modes).sum() / box**3, (field**2).mean(), rtol=1e-12)


def test_shells_hold_every_mode_once_and_agree_with_the_wavevectors():
    n, box = 6, 10.0
    i = 2 * np.pi * np.fft.fftfreq(n, box / n)
    direct = np.sqrt(i[:, None] ** 2 + i**2)
    found = fields.shells(n, 2, box)
    np.testing.assert_allclose(found.k[found.of_mode], direct, atol=1e-14)
    np.testing.assert_allclose(fields.wavenumbers(n, 2, box), direct, atol=1e-14)
    assert found.modes.sum() == n**2
    assert (np.diff(found.k) > 0).all()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_gaussian_field_has_the_power_it_was_given(dimensions):
    n, box, repeats = 12, 40.0, 300
    k = fields.wavenumbers(n, dimensions, box)
    given = np.where(k > 0, 1 / (0.1 + k) ** 2, 0)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((repeats, *k.shape))
    made = np.stack([fields.gaussian_field(row, given, box) for row in noise])
    kf = 2 * np.pi / box
    edges = kf * np.array([0.99, 1.01])
    spectrum = fields.power_spectrum(made, box, dimensions=dimensions, edges=edges)
    expected = 1 / (0.1 + kf) ** 2
    error = expected * np.sqrt(2 / (spectrum.modes * repeats))
    assert np.abs(spectrum.power.mean(0) - expected) < 4 * error
    variance = given.sum() / box**dimensions
    np.testing.assert_allclose(made.var(), variance, rtol=0.03)
    np.testing.assert_allclose(made.mean((*range(1, made.ndim),)), 0, atol=1e-12)


def test_empty_bin_is_an_error():
    with pytest.raises(ValueError, match="bin 1 holds no mode"):
        fields.power_spectrum(np.zeros((4, 4)), 1.0, edges=np.array([0.0, 1.0, 2.0]))


def test_smoothing_multiplies_a_wave():
    """By exp(-k^2 R^2 / 2), in each component by itself."""
    q = 2 * np.pi * np.indices((8, 8, 8)) / 8
    wave = np.stack([np.cos(q[0] + 2 * q[2]), np.sin(3 * q[1])], -1)
    k = 2 * np.pi / 10.0 * np.array([5**0.5, 3])
    found = fields.smoothed(wave, 0.7, 10.0)
    np.testing.assert_allclose(found, wave * np.exp(-((k * 0.7) ** 2) / 2), atol=1e-12)
