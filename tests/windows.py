"""Windows of 8 x 8 pixels on Gaussian fields of 16 x 16 that wrap around, as the windows do not.

The amplitude and the slope of the power are parameters, and the likelihood is that of a
multivariate normal.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from lognormal_emulator import assert_emulates
from rows import described
from sbipipe.interfaces import Array, Dataset, Run
from sbipipe.priors.prior import uniform_prior
from sbipipe.protocols import EmulatorKind, Scores

PRIOR = uniform_prior(amplitude=(-0.5, 0.5), slope=(-3.0, -1.0))
SIDE, WHOLE = 8, 16


def power(theta: Array) -> Array:
    """Of every mode of the whole field, with shape (N, WHOLE, WHOLE)."""
    axis = np.fft.fftfreq(WHOLE)
    k = np.maximum(np.hypot(axis[:, None], axis), 1 / WHOLE)
    amplitude, slope = theta.T[..., None, None]
    return np.asarray(np.exp(amplitude) * (8 * k) ** slope)


def rows(n: int, seed: int, *, periodic: bool = False) -> Dataset:
    """Windows, and whether they are said to wrap around."""
    rng = np.random.default_rng(seed)
    theta = PRIOR.sample(n, rng)
    waves = np.fft.fft2(rng.normal(size=(n, WHOLE, WHOLE))) * np.sqrt(power(theta))
    x = np.fft.ifft2(waves).real[:, None, :SIDE, :SIDE]
    data = described(x, periodic=periodic)
    return Dataset(data=data, theta=theta, x=x, group=np.arange(n))


def log_likelihood(theta: Array, x: Array) -> Array:
    """Of windows (B, 1, SIDE, SIDE) at theta (P, 2), with shape (P, B), from their covariance."""
    covariance = np.fft.ifft2(power(theta)).real
    at = np.stack(np.meshgrid(*[np.arange(SIDE)] * 2, indexing="ij"), -1).reshape(-1, 2)
    away = (at[:, None] - at) % WHOLE
    return np.array([
        stats.multivariate_normal(cov=one[away[..., 0], away[..., 1]]).logpdf(x.reshape(len(x), -1))
        for one in covariance
    ])  # fmt: skip


def assert_mirrored_and_rotated(kind: EmulatorKind, test: Dataset, least: float) -> None:
    """Images of windows under reflections and rotations have one surface, those under a shift
    another, which differs by so much; and the fitted emulator emulates."""
    train = rows(200, 0)
    emulator, _ = kind.fit(train, train, PRIOR, Run(seed=0))
    again = kind.restore(emulator.weights, PRIOR, device="cpu")
    assert isinstance(emulator, Scores)
    assert isinstance(again, Scores)
    expected = emulator.surfaces(test.x)
    for image in (test.x.transpose(0, 1, 3, 2), np.rot90(test.x, 1, (2, 3)), test.x[..., ::-1]):
        np.testing.assert_array_equal(again.surfaces(image), expected)
    assert np.abs(emulator.surfaces(np.roll(test.x, 3, 2)) - expected).max() > least
    assert_emulates(emulator, test.theta)
