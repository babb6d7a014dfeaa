import numpy as np
import pytest

from sbipipe.physics import background, lensing
from sbipipe.seeds import stream


def test_weights_are_those_of_the_integral():
    """A universe of matter alone with delta = 1 everywhere, where 1 / a = (1 - chi / 2R)^-2 with
    R = c / H_0, by many steps in chi."""
    R = background.HUBBLE_LENGTH
    found = lensing.planes(1.0, 1.0, 20.0)
    source = 2 * R * (1 - 2**-0.5)
    chi = (np.arange(100_000) + 0.5) / 100_000 * source
    integrand = 1.5 / R**2 * chi * (1 - chi / source) * (1 - chi / (2 * R)) ** -2
    assert found.weight.sum() == pytest.approx(integrand.mean() * source, rel=1e-3)
    np.testing.assert_allclose(found.chi, 10 + 20 * np.arange(len(found.chi)))
    assert source - 20 < found.chi[-1] < source
    np.testing.assert_allclose(background.comoving_distance(found.z, 1.0), found.chi, rtol=1e-4)


def waves(x, y):
    return np.cos(2 * np.pi * x) + 0.5 * np.sin(2 * np.pi * y)


@pytest.mark.parametrize(("width", "pixels"), [(0.3, 24), (1.0, 16)])
def test_a_part_is_the_plane_somewhere_and_somehow(width, pixels):
    x = np.arange(64) / 64
    plane = waves(*np.meshgrid(x, x, indexing="ij"))
    seen = set()
    for seed in range(40):
        found = lensing.cropped(plane, width, pixels, stream(seed, "part"))
        shift = stream(seed, "part").random(2)[:, None]
        along = shift + (np.arange(pixels) + 0.5) / pixels * width
        expected = waves(*np.meshgrid(*along, indexing="ij"))
        images = [np.rot90(one, i) for one in (expected, expected.T) for i in range(4)]
        distance = [np.abs(found - image).max() for image in images]
        assert min(distance) < 0.02
        seen.add(int(np.argmin(distance)))
    assert len(seen) == 8


def test_pixels_are_means_over_the_plane():
    """As wide as the plane, a part has its mean, however few its pixels."""
    plane = np.random.default_rng(0).standard_normal((30, 30))
    for pixels in (2, 3, 10):
        part = lensing.cropped(plane, 1.0, pixels, stream(0, "part"))
        assert part.mean() == pytest.approx(plane.mean(), abs=1e-12)


def test_a_plane_wraps_around():
    """One bright point is as often in any quarter of a part."""
    plane = np.zeros((8, 8))
    plane[0, 0] = 1
    parts = np.stack([lensing.cropped(plane, 0.5, 8, stream(seed, "part")) for seed in range(400)])
    quarters = parts.reshape(400, 2, 4, 2, 4).mean((2, 4))
    error = quarters.std(0) / 20
    assert (np.abs(quarters.mean(0) - 1 / 64) < 4 * error).all()
