"""Polynomials against the squares they stand for, for both ways of conditioning."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gaussian_fields import draw, parameters
from sbipipe.emulators.diffusion.denoiser import add_noise
from sbipipe.emulators.diffusion.factorised import Factorised
from sbipipe.emulators.diffusion.film import Film
from sbipipe.emulators.diffusion.linear import LinearDenoiser, LinearModel, fit_linear
from sbipipe.emulators.diffusion.network import UNet
from sbipipe.emulators.diffusion.refinement import refine
from sbipipe.emulators.diffusion.schedule import Density, Levels, Linear
from sbipipe.emulators.diffusion.surface import field_names, informative, rest_forms, surfaces
from sbipipe.interfaces import Run
from sbipipe.learning.chebyshev import Basis

S = parameters(300, 0)
FIELDS = draw(S, 1).float()
NAMES = field_names(FIELDS.numpy())
KNOTS = torch.linspace(-8, 8, 33, dtype=torch.float64)
DENSITY = Linear().density(KNOTS.numpy(), KNOTS.numpy())


def linear(degree: int = 2) -> LinearDenoiser:
    return fit_linear(FIELDS.double(), S, Basis(2, degree), KNOTS)


def factorised(seed: int = 0) -> Factorised:
    torch.manual_seed(seed)
    network = UNet(channels=1, outputs=3, dimensions=2, width=4, multipliers=(1, 2), blocks=1)
    model = Factorised(linear(), network, fields=3, channels=1)
    with torch.no_grad():
        model.table.normal_(0, 0.3)
    return model.eval()


def film(seed: int = 0) -> Film:
    torch.manual_seed(seed)
    network = UNet(
        channels=1, outputs=1, dimensions=2, width=4, multipliers=(1, 2), blocks=1, conditions=2
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.02)
    return Film(linear(), network).eval()


def extra(model: Factorised | Film, eps: torch.Tensor, level: float, s: torch.Tensor) -> np.ndarray:
    """What the network adds to |eps - eps_hat|^2, by two passes."""
    log_snr = torch.full((len(s),), level)
    z = add_noise(FIELDS[: len(s)], eps, log_snr)
    with torch.no_grad():
        squares = [
            (eps - guess).double().square().flatten(1).sum(1)
            for guess in (model(z, log_snr, s), model.linear(z, log_snr, s))
        ]
    return (squares[0] - squares[1]).numpy()


@pytest.mark.parametrize(("make", "tolerance"), [(factorised, 1e-3), (film, 1e-3)])
@pytest.mark.parametrize("level", [-3.0, 0.3, 4.0])
def test_the_form_is_the_difference_of_the_squares(
    make: Callable[[], Factorised | Film], tolerance: float, level: float
):
    model = make()
    eps = torch.from_numpy(np.random.default_rng(2).normal(size=FIELDS[:8].shape)).float()
    form = model.rest_form(FIELDS[:8], eps, level, 2.0)
    for s in (S[:8], S[8:16]):
        found = (form * model.linear.basis.squared(s)).sum(1)
        np.testing.assert_allclose(found, extra(model, eps, level, s), atol=tolerance)


def test_without_a_network_the_surface_has_no_noise():
    model = LinearModel(linear())
    none = Levels(np.zeros(0), np.zeros(0))
    found = surfaces(model, FIELDS[:5], lambda draw: none, range(2), NAMES[:5], seed=0)
    assert (found.standard_error(S[:5], S[5:10]) == 0).all()
    assert found.draws.shape == (2, 5, len(model.linear.basis.squared))


def test_gradients_are_differences():
    model = LinearModel(linear())
    none = Levels(np.zeros(0), np.zeros(0))
    found = surfaces(model, FIELDS[:5], lambda draw: none, range(2), NAMES[:5], seed=0)
    coefficients, step = torch.from_numpy(found.coefficients), 1e-5

    def value(s: torch.Tensor) -> torch.Tensor:
        return (coefficients * found.basis(s)).sum(1)

    for axis in range(2):
        move = torch.zeros(2, dtype=torch.float64)
        move[axis] = step
        slope = (value(S[:5] + move) - value(S[:5] - move)) / (2 * step)
        np.testing.assert_allclose(found.gradient(S[:5])[:, axis], slope, rtol=1e-5, atol=1e-5)


def test_the_scatter_of_the_draws_is_the_error_of_their_mean():
    """Sixteen estimates scatter as the error of each says."""
    model = factorised()

    def choose(draw: int) -> Levels:
        return DENSITY.levels(8, np.random.default_rng(draw))

    values, errors = [], []
    for seed in range(16):
        found = surfaces(model, FIELDS[:20], choose, range(4), NAMES[:20], seed)
        difference = found.basis(S[:20]) - found.basis(S[20:40])
        values.append((torch.from_numpy(found.coefficients) * difference).sum(1).numpy())
        errors.append(found.standard_error(S[:20], S[20:40]))
    ratio = np.std(values, 0, ddof=1).mean() / np.sqrt(np.mean(np.square(errors), 0)).mean()
    assert ratio == pytest.approx(1, abs=0.25)


def test_the_error_of_a_surface_is_that_of_pairs_of_its_posterior():
    """Against the sum over all pairs of parameters, weighted by the posterior of a flat surface."""
    model = factorised()
    found = surfaces(
        model, FIELDS[:3], lambda draw: DENSITY.levels(8, np.random.default_rng(draw)),
        range(4), NAMES[:3], 0,
    )  # fmt: skip
    flat = type(found)(found.basis, found.draws * 1e-3)
    s = S[:40]
    values = flat.basis(s) @ torch.from_numpy(flat.coefficients).T
    for b in range(3):
        weights = torch.softmax(values[:, b], 0).numpy()
        pairs = [
            [flat.standard_error(one.expand(3, -1), two.expand(3, -1))[b] for two in s] for one in s
        ]
        expected = np.sqrt(weights @ np.square(pairs) @ weights)
        assert flat.error(s)[b] == pytest.approx(expected, rel=1e-6)


def test_levels_go_where_the_noise_is():
    found = informative(factorised(), FIELDS[:10], DENSITY, 8, 0, "cpu")
    share = found.share / found.share.sum()
    trial = Levels((found.log_snr[1:] + found.log_snr[:-1]) / 2, np.ones(8))
    first, second = (
        rest_forms(factorised(), FIELDS[:10], trial, seeds, "cpu")
        for seeds in (range(10), range(10, 20))
    )
    noise = (first - second)[:, :, 1:].square().sum((1, 2)).sqrt().numpy()
    assert np.corrcoef(noise, share)[0, 1] > 0.8
    assert share.min() > 0.005


def test_least_squares_lower_the_bound_of_new_fields():
    """Coefficients start from noise; on fields never seen the solved ones do better."""
    model = factorised()
    with torch.no_grad():
        model.table.mul_(30)
    terms = model.linear.basis(S).float()
    train, valid = (FIELDS[:200], terms[:200]), (FIELDS[200:], terms[200:])
    notes = refine(model, train, valid, DENSITY, 8, Run(seed=0))
    assert notes["refined_ridge"] is not None
    assert notes["refined_gain"] > 0


def test_normal_equations_are_those_of_the_dense_problem():
    """Block elimination against a dense solver, and the loss against the squares themselves."""
    model = factorised()
    terms = model.linear.basis(S[:50]).float()
    rng = np.random.default_rng(3)
    eps = torch.from_numpy(rng.normal(size=FIELDS[:50].shape)).float()
    levels = torch.from_numpy(DENSITY.quantile(rng.random(50))).float()
    normal = model.normal(FIELDS[:50], eps, levels, torch.ones(50), terms)
    count = normal.right.numel()
    columns = torch.eye(count, dtype=torch.float64).view(count, *normal.right.shape)
    dense = torch.stack([normal.matvec(column).flatten() for column in columns])
    torch.testing.assert_close(dense, dense.T)
    start = model.table.detach().double().flatten(1)
    penalty = 0.1 * (dense.diagonal() + dense.diagonal().mean() * 1e-3 + 1e-12)
    expected = torch.linalg.solve(
        dense + torch.diag(penalty), normal.right.flatten() + penalty * start.flatten()
    )
    torch.testing.assert_close(normal.solve(start, 0.1).flatten(), expected, rtol=1e-6, atol=1e-8)
    z = add_noise(FIELDS[:50], eps, levels)
    with torch.no_grad():
        full = (eps - model.guess(z, levels, terms)).double().square().sum()
        alone = (eps - model.linear.apply(z, levels, terms.double())).double().square().sum()
    assert float(normal.loss(start)) == pytest.approx(float(full - alone), rel=1e-3, abs=1e-3)


def test_densities_with_a_gap_do_not_divide_by_zero():
    density = Density(np.array([-1.0, 0, 1]), np.array([1.0, 0.0]))
    assert np.isfinite(density.levels(4, np.random.default_rng(0)).weight).all()
