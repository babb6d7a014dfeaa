"""The curves that the points allow, against brute force and against curves that are known."""

from __future__ import annotations

import numpy as np
import pytest

from sbipipe.budgets.power_law import EXPONENTS, RETRAINED, fit

SHARES = (0.25, 0.5, 1.0)


def curve(top: float, excess: float, exponent: float) -> list[float]:
    return [top - excess * share**-exponent for share in SHARES]


def test_against_a_sum_over_a_grid() -> None:
    """All a, b >= 0 and c on a grid, each weighted by its likelihood."""
    nats, covariance = curve(1.5, 0.2, 0.6), 0.02**2 * np.eye(3)
    a, b = np.linspace(0.8, 6.0, 1041)[:, None], np.linspace(0.0, 4.0, 801)[None]
    weight = gain = square = 0.0
    for c in EXPONENTS:
        model = a[..., None] - b[..., None] * np.asarray(SHARES) ** -c
        likelihood = np.exp(-0.5 * ((model - nats) ** 2).sum(-1) / (0.02**2 + RETRAINED**2))
        one = b * (1 - 2.0**-c)
        weight += likelihood.sum()
        gain += (likelihood * one).sum()
        square += (likelihood * one**2).sum()
    mean, sd = fit(SHARES, nats, covariance).gain(2.0)
    assert mean == pytest.approx(gain / weight, rel=0.02)
    assert sd == pytest.approx(np.sqrt(square / weight - (gain / weight) ** 2), rel=0.03)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_a_curve_far_above_the_noise_is_continued(exponent: float) -> None:
    law = fit(SHARES, curve(30.0, 5.0, exponent), 1e-6 * np.eye(3))
    for times in (2.0, 4.0):
        mean, sd = law.gain(times)
        assert mean == pytest.approx(5 * (1 - times**-exponent), rel=0.03)
        assert sd < 0.1
    assert [law.at(share) for share in SHARES] == pytest.approx(
        curve(30.0, 5.0, exponent), abs=0.05
    )
    half = law.needed(2.5, 20.0)
    assert half == pytest.approx(2 ** (1 / exponent), rel=0.05)


def test_no_more_is_promised_where_more_has_not_helped() -> None:
    law = fit(SHARES, [1.0, 1.0, 1.0], 0.002**2 * np.eye(3))
    mean, sd = law.gain(2.0)
    assert 0 <= mean < RETRAINED
    assert sd < RETRAINED
    assert law.gain(1.0) == (0.0, 0.0)


def test_gains_grow_with_their_number_up_to_all() -> None:
    law = fit(SHARES, curve(1.0, 0.1, 0.5), 0.01**2 * np.eye(3))
    gains = [law.gain(times)[0] for times in (1.0, 2.0, 10.0, np.inf)]
    assert gains == sorted(gains)
    assert law.needed(0.5 * gains[-1], 1e4) is not None
    assert law.needed(0.0, 10.0) is None


def test_the_truth_lies_within_the_error_as_often_as_it_should() -> None:
    """Noise of 0.02 nats on curves whose c is drawn from the prior; two standard deviations."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        exponent, excess = rng.choice(EXPONENTS), rng.uniform(0.0, 0.5)
        noise = np.hypot(0.02, RETRAINED) * rng.standard_normal(3)
        law = fit(SHARES, np.array(curve(1.0, excess, exponent)) + noise, 0.02**2 * np.eye(3))
        mean, sd = law.gain(2.0)
        inside.append(abs(mean - excess * (1 - 2.0**-exponent)) < 2 * sd)
    assert np.mean(inside) > 0.9


def test_two_points_are_enough_to_say_something() -> None:
    mean, sd = fit((0.5, 1.0), [0.7, 1.0], 1e-4 * np.eye(2)).gain(2.0)
    assert 0.3 * 2**-1.5 < mean < 0.3 * 2**-0.25
    assert sd > 0.02
