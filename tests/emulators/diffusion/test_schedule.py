import numpy as np
import pytest

from sbipipe.emulators.diffusion.schedule import SUBSETS, Density, Discrete, Learned, Linear

KNOTS = np.linspace(-10, 12, 65)
UNEXPLAINED = 1 / (1 + np.exp(-KNOTS))
SCHEDULES = [Linear(), Learned(), Discrete(), Discrete(shape="quadratic", steps=500)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.kind)
def test_densities_integrate_to_one_and_their_quantiles_follow_them(schedule):
    density = schedule.density(KNOTS, UNEXPLAINED)
    fine = np.linspace(-10, 12, 200_001)
    inside = (fine > density.log_snr[0]) & (fine < density.log_snr[-1])
    total = density.density(fine)[inside].sum() * (fine[1] - fine[0])
    assert total == pytest.approx(1, abs=2e-3)
    draws = density.quantile((np.arange(100_000) + 0.5) / 100_000)
    edges = density.quantile(np.linspace(0, 1, 9))
    np.testing.assert_allclose(np.histogram(draws, edges)[0] / 100_000, 1 / 8, atol=1e-3)


def test_the_learned_density_peaks_where_half_the_noise_is_unexplained():
    density = Learned().density(KNOTS, UNEXPLAINED)
    height = density.density((KNOTS[1:] + KNOTS[:-1]) / 2)
    assert abs(KNOTS[height.argmax()]) < 0.5
    assert height.min() > 0


def test_weighted_levels_integrate_over_lambda():
    """Strata are unbiased: the mean over offsets of sum w f is the integral of f."""
    density = Learned().density(KNOTS, UNEXPLAINED)
    rng = np.random.default_rng(0)
    sums = []
    for _ in range(400):
        log_snr, weight = density.levels(16, rng)
        sums.append((weight * np.exp(-(log_snr**2) / 8)).sum())
    error = np.std(sums) / 20
    assert abs(np.mean(sums) - np.sqrt(8 * np.pi)) < 4 * error


@pytest.mark.parametrize("shape", ["cosine", "quadratic"])
def test_the_chain_falls_from_clean_to_noise(shape):
    log_snr = Discrete(shape=shape).log_snr
    assert (np.diff(log_snr) < 0).all()
    assert log_snr[0] > 8
    assert log_snr[-1] < -7


def test_the_chain_weighs_its_terms_as_its_posteriors_do():
    """L_t from the divergence between the Gaussians q(z_{t-1} | z_t, x) and p(z_{t-1} | z_t), whose
    means differ by a multiple of eps - eps_hat and whose variances agree."""
    chain = Discrete()
    beta = chain._beta
    alpha2 = np.cumprod(1 - beta)
    t = np.arange(1, 1000)
    variance = beta[t] * (1 - alpha2[t - 1]) / (1 - alpha2[t])
    slope = beta[t] / np.sqrt((1 - alpha2[t]) * (1 - beta[t]))
    np.testing.assert_allclose(chain.levels(tuple(t)).weight, slope**2 / variance, rtol=1e-6)
    assert chain.levels((0,)).weight[0] == pytest.approx(1 / (1 - beta[0]))


def test_the_subsets_are_the_published_ones():
    assert SUBSETS["l0"] == (0,)
    assert SUBSETS["first_20"] == tuple(range(20))


def test_a_density_needs_no_normalisation():
    a, b = (Density(np.array([0.0, 1, 3]), np.array(share)) for share in ([1.0, 3], [0.25, 0.75]))
    np.testing.assert_allclose(a.density(np.array([0.5, 2])), b.density(np.array([0.5, 2])))
    np.testing.assert_allclose(a.density(np.array([0.5, 2])), [0.25, 0.375])
