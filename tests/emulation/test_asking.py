"""What a posterior in closed form finds in fields that are wrong by a known amount.

theta ~ N(0, 1) and x = theta + s n with n ~ N(0, 1), where true fields have s = 1. The posterior
of these is q = N(x / 2, 1 / 2), for which theta - x / 2 ~ N(0, (1 + s^2) / 4). So the nats at the
truth differ by -(s^2 - 1) / 4, and a region of mass a holds theta with the probability that a
normal variable of variance (1 + s^2) / 2 lies where one of variance 1 does with probability a.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import closed_form
from sbipipe.emulation import asking
from sbipipe.emulation.asked import Reading
from sbipipe.emulation.asking import Said
from sbipipe.seeds import stream

N = 400


def said(label: str, noise: float = 1.0, seed: int = 0) -> Said:
    theta = stream(seed, "theta").standard_normal((N, 1))
    rng = stream(seed, label)
    q = stats.norm((theta + noise * rng.standard_normal((N, 1))) / 2, np.sqrt(0.5))
    draws = q.rvs((200, N, 1), random_state=rng)
    found = closed_form.record(
        draws, theta, lambda t: q.logpdf(t).sum(-1), np.ones(1), stats.norm.logpdf(theta[:, 0])
    )
    return asking.figures(found, rng)


def reading(noise: float, seed: int = 0) -> Reading:
    return asking.reading(
        said("true", seed=seed), said("generated", noise, seed), said("again", seed=seed), seed
    )


@pytest.mark.parametrize("noise", [0.5, 1.6])
def test_a_wrong_emulator_is_seen_by_as_much_as_it_is_wrong(noise: float) -> None:
    found = reading(noise)
    nats = found.generated["nats"]
    assert nats.p < 0.001
    assert nats.difference.mean == pytest.approx(-(noise**2 - 1) / 4, abs=4 * nats.difference.se)
    assert nats.value - nats.true == pytest.approx(nats.difference.mean)
    for figure, mass in (("coverage_0.68", 0.68), ("coverage_0.95", 0.95)):
        edge = stats.norm.isf((1 - mass) / 2) / np.sqrt((1 + noise**2) / 2)
        held = 2 * stats.norm.cdf(edge) - 1
        error = np.sqrt(held * (1 - held) / N)
        assert found.generated[figure].value == pytest.approx(held, abs=4 * error)
        assert found.generated[figure].p < 0.01
        assert found.control[figure].p > 0.01
    assert found.control["nats"].p > 0.01


def test_true_fields_pass_at_their_rate() -> None:
    """30 pairs of skewed samples: p below 0.1 in as many as a binomial with that chance allows."""
    rng = stream(0, "nats")
    pairs = (rng.gamma(2, size=(2, 50)) for _ in range(30))
    below = sum(asking.compared(*pair, rng).p <= 0.1 for pair in pairs)
    assert below <= stats.binom.ppf(0.999, 30, 0.1)


def test_regions_that_hold_the_same_have_no_error_and_the_largest_p() -> None:
    found = asking.compared(np.ones(5), np.ones(5), stream(0, "signs"))
    assert (found.difference.mean, found.difference.se, found.p) == (0.0, 0.0, 1.0)


def test_a_truth_without_density_is_counted_and_seen() -> None:
    true = np.zeros(200)
    values = np.where(np.arange(200) < 20, -np.inf, 0.0)
    values[-1] = np.nan
    found = asking.compared(values, true, stream(0, "signs"))
    assert found.value == -np.inf
    assert (found.difference.infinite, found.difference.failed) == (20, 1)
    assert found.p < 0.001
